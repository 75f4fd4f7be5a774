using CsCheck;
using Mamba.Gpu.Memory;

namespace Mamba.Tests.Gpu;

public sealed class GpuArenaTests(Emulation emulation) : IClassFixture<Emulation>
{
    private const int Block = 4096, Unit = 256; // what the arena takes, and what it rounds to

    [Fact]
    public void Pieces_of_one_block_begin_at_multiples_of_256_bytes()
    {
        using GpuArena arena = Create();

        GpuArena.Piece[] pieces = [arena.Rent(1), arena.Rent(0), arena.Rent(257), arena.Rent(256)];

        pieces.Select(piece => (piece.Offset, piece.Size)).Should()
            .Equal((0, 256), (256, 256), (512, 512), (1024, 256));
        pieces.Should().OnlyContain(piece => piece.Block == pieces[0].Block && piece.View.Length == piece.Size);
        arena.ReservedBytes.Should().Be(Block);
    }

    [Theory]
    [InlineData(0, 1, 2)]
    [InlineData(0, 2, 1)]
    [InlineData(1, 0, 2)]
    [InlineData(1, 2, 0)]
    [InlineData(2, 0, 1)]
    [InlineData(2, 1, 0)]
    public void Neighbours_are_joined_in_whatever_order_they_come_back(params int[] order)
    {
        using GpuArena arena = Create();
        GpuArena.Piece[] pieces = [arena.Rent(1024), arena.Rent(512), arena.Rent(2560)];

        foreach (int i in order)
        {
            arena.Return(pieces[i]);
        }

        arena.Rent(Block).Offset.Should().Be(0);
        arena.ReservedBytes.Should().Be(Block);
    }

    [Fact]
    public void A_piece_is_cut_from_the_smallest_hole_that_suffices()
    {
        using GpuArena arena = Create();
        GpuArena.Piece large = arena.Rent(1024);
        arena.Rent(Unit);
        GpuArena.Piece small = arena.Rent(512);
        arena.Rent(Unit);
        arena.Return(large);
        arena.Return(small);

        arena.Rent(512).Offset.Should().Be(small.Offset);
        arena.Rent(768).Offset.Should().Be(large.Offset);
        arena.Rent(256).Offset.Should().Be(large.Offset + 768);
    }

    [Fact]
    public void A_full_block_is_followed_by_another()
    {
        using GpuArena arena = Create();

        arena.Rent(3000);
        arena.Rent(3000);

        arena.ReservedBytes.Should().Be(2 * Block);
    }

    [Fact]
    public void A_piece_larger_than_a_block_goes_back_at_once()
    {
        using GpuArena arena = Create();
        arena.Rent(1);
        GpuArena.Piece large = arena.Rent(Block + 1);
        arena.ReservedBytes.Should().Be(Block + Block + Unit);

        arena.Return(large);

        arena.ReservedBytes.Should().Be(Block);
    }

    [Fact]
    public void Blocks_of_the_usual_size_are_kept_until_they_are_trimmed()
    {
        using GpuArena arena = Create();
        GpuArena.Piece first = arena.Rent(Block), second = arena.Rent(Block);
        arena.Rent(Unit);
        arena.Return(first);
        arena.Return(second);
        arena.ReservedBytes.Should().Be(3 * Block);

        arena.Trim();

        arena.ReservedBytes.Should().Be(Block, "a piece of the third is in use");
    }

    [Fact]
    public void Pieces_in_use_never_overlap_and_all_of_them_come_back() =>
        Gen.Select(Gen.Int[0, 6000], Gen.Int[0, 99]).Array[1, 60].Sample(
            steps =>
            {
                using GpuArena arena = Create();
                List<GpuArena.Piece> rented = [];
                foreach ((int bytes, int which) in steps)
                {
                    if (rented.Count > 0 && which % 3 == 0)
                    {
                        arena.Return(rented[which % rented.Count]);
                        rented.RemoveAt(which % rented.Count);
                    }
                    else
                    {
                        GpuArena.Piece next = arena.Rent(bytes);
                        next.Size.Should().BeGreaterThanOrEqualTo(bytes);
                        rented.Should().NotContain(other => other.Block == next.Block
                            && other.Offset < next.Offset + next.Size && next.Offset < other.Offset + other.Size);
                        rented.Add(next);
                    }
                }

                rented.ForEach(arena.Return);
                arena.Trim();
                arena.ReservedBytes.Should().Be(0);
            },
            iter: 50);

    private GpuArena Create() => new(emulation.Accelerator, Block);
}
