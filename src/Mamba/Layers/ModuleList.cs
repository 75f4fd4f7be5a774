using System.Collections;
using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>A list of parts of one type, named by index: <c>blocks.0</c>, <c>blocks.1</c>, ...</summary>
/// <typeparam name="TModule">Type of the parts.</typeparam>
/// <example>
/// <code>
/// using ModuleList&lt;Linear&gt; heads = new(device);
/// heads.Add(new Linear(device, 64, 10, bias: true, random));
/// heads.Add(new Linear(device, 64, 2, bias: true, random));
/// DeviceArray second = heads[1].Forward(x);
/// </code>
/// </example>
public sealed class ModuleList<TModule> : Module, IReadOnlyList<TModule>
    where TModule : Module
{
    private readonly List<TModule> _parts = [];

    /// <summary>Makes a list.</summary>
    /// <param name="device">Device that holds the parts.</param>
    /// <param name="parts">The initial parts; the list frees them.</param>
    /// <exception cref="ArgumentException">A part is on another device.</exception>
    public ModuleList(Device device, params ReadOnlySpan<TModule> parts)
        : base(device)
    {
        foreach (TModule part in parts)
        {
            Add(part);
        }
    }

    /// <summary>Number of parts.</summary>
    public int Count => _parts.Count;

    /// <summary>The part at an index.</summary>
    /// <param name="index">The index.</param>
    public TModule this[int index] => _parts[index];

    /// <summary>Appends a part.</summary>
    /// <param name="part">The part, on the same device; the list frees it.</param>
    /// <exception cref="ArgumentException">The part is on another device, or this list is a part of it.</exception>
    public void Add(TModule part) => _parts.Add(AddModule(NameOf(_parts.Count), part));

    /// <inheritdoc/>
    public IEnumerator<TModule> GetEnumerator() => _parts.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
