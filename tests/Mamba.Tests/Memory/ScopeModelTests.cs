using CsCheck;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Memory;

/// <summary>
/// Scopes do what a naive list of lists does, whatever is opened, allocated, kept, freed and ended in between.
/// </summary>
public sealed class ScopeModelTests
{
    private enum What
    {
        Open, End, EndOuter, EndAgain, Allocate, AllocateIndices, Keep, KeepByOuter, Free, Look,
    }

    [Fact]
    public void Scopes_agree_with_a_naive_list() =>
        Gen.Select(Gen.Enum<What>(), Gen.Int[0, 99]).Array[0, 120].Sample(
            actions =>
            {
                using Device device = TestDevice.OpenBare();
                Model model = new(device);
                foreach ((What what, int choice) in actions)
                {
                    model.Do(what, choice);
                    model.Check();
                }
            },
            iter: 150);

    /// <summary>
    /// The naive version: every scope has a list of what it frees, and list 0 is what the caller frees.
    /// </summary>
    private sealed class Model(Device device)
    {
        private readonly List<(ScopeHandle Scope, List<Item> Items)> _scopes = [(default, [])];
        private readonly List<Item> _dead = [];
        private readonly List<ScopeHandle> _ended = [];
        private int _next;

        public void Do(What what, int choice)
        {
            int depth = _scopes.Count - 1;
            List<Item> all = [.. _scopes.SelectMany(scope => scope.Items)];
            Item? item = all.Count > 0 ? all[choice % all.Count] : null;
            switch (what)
            {
                case What.Open:
                    _scopes.Add((device.Scope().Handle, []));
                    break;
                case What.End when depth > 0:
                    _scopes[depth].Scope.End();
                    _dead.AddRange(_scopes[depth].Items);
                    _ended.Add(_scopes[depth].Scope);
                    _scopes.RemoveAt(depth);
                    break;
                case What.EndOuter when depth > 1:
                    Refused(_scopes[1 + (choice % (depth - 1))].Scope.End);
                    break;
                case What.EndAgain when _ended.Count > 0:
                    Refused(_ended[choice % _ended.Count].End);
                    break;
                case What.Allocate:
                    _scopes[depth].Items.Add(
                        Item.Of(device.Array([1 + (choice % 3)], new float[1 + (choice % 3)]), ++_next));
                    break;
                case What.AllocateIndices:
                    _scopes[depth].Items.Add(Item.Of(device.Indices([++_next])));
                    break;
                case What.Keep when depth > 0 && item is not null:
                    Keep(depth, item);
                    break;
                case What.KeepByOuter when depth > 0 && item is not null:
                    Keep(1 + (choice % depth), item);
                    break;
                case What.Free when item is not null:
                    if (_scopes[0].Items.Contains(item))
                    {
                        item.Free(device);
                        _scopes[0].Items.Remove(item);
                        _dead.Add(item);
                    }
                    else
                    {
                        Refused(() => item.Free(device));
                    }

                    break;
                default:
                    break;
            }
        }

        /// <summary>What lives has its value, and what is dead says so.</summary>
        public void Check()
        {
            foreach (Item item in _scopes.SelectMany(scope => scope.Items))
            {
                item.ShouldLive();
            }

            foreach (Item item in _dead)
            {
                item.ShouldBeDead();
            }
        }

        private void Keep(int depth, Item item)
        {
            item.Keep(_scopes[depth].Scope);
            int at = _scopes.FindIndex(scope => scope.Items.Contains(item));
            if (at >= depth)
            {
                _scopes[at].Items.Remove(item);
                _scopes[depth - 1].Items.Add(item);
            }
        }

        private static void Refused(Action action) => action.Should().Throw<InvalidOperationException>();
    }

    private sealed class Item
    {
        private DeviceArray _array;
        private IndexArray _indices;
        private float[] _values = [];

        public static Item Of(DeviceArray array, int value)
        {
            float[] values = [.. Enumerable.Repeat((float)value, (int)array.Shape.Count)];
            array.CopyFrom(values);
            return new() { _array = array, _values = values };
        }

        public static Item Of(IndexArray indices) => new() { _indices = indices };

        public void Keep(ScopeHandle scope)
        {
            if (_array.Exists)
            {
                scope.Keep(_array.Storage);
            }
            else
            {
                scope.Keep(_indices.Storage);
            }
        }

        public void Free(Device device)
        {
            if (_array.Exists)
            {
                device.Free(_array);
            }
            else
            {
                device.Free(_indices);
            }
        }

        public void ShouldLive()
        {
            if (_array.Exists)
            {
                _array.ToArray().ShouldHaveTheBitsOf(_values);
            }
            else
            {
                _indices.Storage.Should().NotBeNull();
            }
        }

        public void ShouldBeDead()
        {
            Action use = _array.Exists ? () => _array.ToArray() : () => _ = _indices.Storage;
            Assert.Throws<ObjectDisposedException>(use);
        }
    }
}
