using Mamba.Orders;

namespace Mamba.Tests.Orders;

/// <summary>Orders of tokens on the host.</summary>
public sealed class ScanOrderTests
{
    private static readonly Dictionary<string, Func<int, int, ScanOrder>> Grids = new()
    {
        ["Rows"] = ScanOrder.Rows,
        ["Columns"] = ScanOrder.Columns,
        ["Snake"] = (h, w) => ScanOrder.Snake(h, w),
        ["Snake by columns from the bottom right"] = (h, w) => ScanOrder.Snake(h, w, GridCorner.BottomRight, true),
        ["Zigzag"] = (h, w) => ScanOrder.Zigzag(h, w),
        ["Zigzag by columns from the top right"] = (h, w) => ScanOrder.Zigzag(h, w, GridCorner.TopRight, true),
        ["Diagonal"] = (h, w) => ScanOrder.Diagonal(h, w),
        ["Diagonal from the bottom left"] = (h, w) => ScanOrder.Diagonal(h, w, GridCorner.BottomLeft),
        ["Spiral"] = (h, w) => ScanOrder.Spiral(h, w),
        ["Spiral from the bottom right"] = (h, w) => ScanOrder.Spiral(h, w, GridCorner.BottomRight),
        ["Windows 2×2"] = (h, w) => ScanOrder.Windows(h, w, 2, 2),
        ["Windows 3×5"] = (h, w) => ScanOrder.Windows(h, w, 3, 5),
        ["Atrous 2"] = (h, w) => ScanOrder.Atrous(h, w, 2),
        ["Atrous 3"] = (h, w) => ScanOrder.Atrous(h, w, 3),
        ["Gilbert"] = ScanOrder.Gilbert,
        ["Hilbert"] = (h, w) => ScanOrder.Hilbert(h, w),
        ["Morton"] = (h, w) => ScanOrder.Morton(h, w),
        ["Axes"] = (h, w) => ScanOrder.Axes([h, w], [1, 0], [true, false]),
        ["Random"] = (h, w) => ScanOrder.Random(h * w, seed: 5),
        ["Reversed"] = (h, w) => ScanOrder.Columns(h, w).Reversed(),
        ["Then"] = (h, w) => ScanOrder.Columns(h, w).Then(ScanOrder.Spiral(h, w)),
        ["Forward"] = (h, w) => ScanOrder.Forward.OfLength(h * w),
        ["Backward"] = (h, w) => ScanOrder.Backward.OfLength(h * w),
    };

    public static TheoryData<string> Names => [.. Grids.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void An_order_of_a_grid_visits_every_token_once(string name)
    {
        foreach ((int height, int width) in
            new[] { (1, 1), (1, 6), (6, 1), (2, 2), (2, 3), (3, 2), (3, 3), (5, 7), (7, 4), (8, 8), (9, 16) })
        {
            ScanOrder order = Grids[name](height, width);
            int tokens = height * width;

            order.Positions.ToArray().Order().Should().Equal(Enumerable.Range(0, tokens), $"{height}×{width}");
            order.IsPermutation.Should().BeTrue();
            (order.Length, order.GridLength, order.Samples).Should().Be((tokens, tokens, 1));
            for (int t = 0; t < tokens; t++)
            {
                order.Inverse[order.Positions[t]].Should().Be(t);
            }
        }
    }

    [Fact]
    public void Small_grids_are_as_written_by_hand()
    {
        Positions(ScanOrder.Rows(2, 3)).Should().Equal(0, 1, 2, 3, 4, 5);
        Positions(ScanOrder.Columns(2, 3)).Should().Equal(0, 3, 1, 4, 2, 5);
        Positions(ScanOrder.Snake(2, 3)).Should().Equal(0, 1, 2, 5, 4, 3);
        Positions(ScanOrder.Snake(2, 3, GridCorner.TopRight)).Should().Equal(2, 1, 0, 3, 4, 5);
        Positions(ScanOrder.Snake(2, 3, GridCorner.BottomLeft, byColumns: true)).Should().Equal(3, 0, 1, 4, 5, 2);
        Positions(ScanOrder.Zigzag(3, 3)).Should().Equal(0, 1, 3, 6, 4, 2, 5, 7, 8);
        Positions(ScanOrder.Zigzag(3, 3, byColumns: true)).Should().Equal(0, 3, 1, 2, 4, 6, 7, 5, 8);
        Positions(ScanOrder.Diagonal(3, 3)).Should().Equal(0, 1, 3, 2, 4, 6, 5, 7, 8);
        Positions(ScanOrder.Diagonal(2, 3, GridCorner.TopRight)).Should().Equal(2, 1, 5, 0, 4, 3);
        Positions(ScanOrder.Spiral(3, 4)).Should().Equal(0, 1, 2, 3, 7, 11, 10, 9, 8, 4, 5, 6);
        Positions(ScanOrder.Spiral(3, 1)).Should().Equal(0, 1, 2);
        Positions(ScanOrder.Windows(3, 4, 2, 3)).Should().Equal(0, 1, 2, 4, 5, 6, 3, 7, 8, 9, 10, 11);
        Positions(ScanOrder.Atrous(3, 4, 2)).Should().Equal(0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 5, 7);
        Positions(ScanOrder.Hilbert(2, 2)).Should().BeEquivalentTo(
            Positions(ScanOrder.Gilbert(2, 2)), "the corners of a square are visited in a ring");
        Positions(ScanOrder.Gilbert(2, 2)).Should().Equal(0, 2, 3, 1);
        Positions(ScanOrder.Gilbert(2, 4)).Should().Equal(0, 4, 5, 1, 2, 6, 7, 3);
        Positions(ScanOrder.Morton(2, 4)).Should().Equal(0, 1, 4, 5, 2, 3, 6, 7);
        Positions(ScanOrder.Morton(2, 2, 2)).Should().Equal(0, 1, 2, 3, 4, 5, 6, 7);
        Positions(ScanOrder.Axes([2, 2, 3], [1, 2, 0])).Should().Equal(0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11);
        Positions(ScanOrder.Axes([2, 3], [0, 1], [true, false])).Should().Equal(3, 4, 5, 0, 1, 2);
        Positions(ScanOrder.Backward.OfLength(3)).Should().Equal(2, 1, 0);
        Positions(ScanOrder.Forward.OfLength(3)).Should().Equal(0, 1, 2);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void The_Hilbert_curve_steps_to_neighbours_in_a_cube(int axes)
    {
        int[] sizes = [.. Enumerable.Repeat(8, axes)];

        ScanOrder order = ScanOrder.Hilbert(sizes);

        LongestStep(order, sizes).Should().Be(1);
        order.Positions[0].Should().Be(0);
    }

    [Fact]
    public void The_Hilbert_curve_of_a_rectangle_is_that_of_the_square_around_it()
    {
        const int Height = 5, Width = 7;
        int[] inside =
        [
            .. Positions(ScanOrder.Hilbert(8, 8)).Where(p => p / 8 < Height && p % 8 < Width)
                .Select(p => (p / 8 * Width) + (p % 8)),
        ];

        Positions(ScanOrder.Hilbert(Height, Width)).Should().Equal(inside);
    }

    [Fact]
    public void The_generalised_curve_steps_to_neighbours_in_every_rectangle()
    {
        for (int height = 1; height <= 25; height++)
        {
            for (int width = 1; width <= 25; width++)
            {
                ScanOrder order = ScanOrder.Gilbert(height, width);

                order.IsPermutation.Should().BeTrue($"{height}×{width}");
                LongestStep(order, height, width).Should().BeLessThanOrEqualTo(1, $"{height}×{width}");
            }
        }
    }

    [Fact]
    public void Keys_are_sorted_and_equal_ones_stay_in_their_order()
    {
        Positions(ScanOrder.By<double>([2.5, -1, 2.5, 0])).Should().Equal(1, 3, 0, 2);
        Positions(ScanOrder.By<string>(["b", "a"])).Should().Equal(1, 0);
        ScanOrder.By<int>([]).Length.Should().Be(0);
    }

    [Fact]
    public void A_seed_gives_one_order()
    {
        Positions(ScanOrder.Random(50, 1)).Should().Equal(Positions(ScanOrder.Random(50, 1)))
            .And.NotEqual(Positions(ScanOrder.Random(50, 2)));
    }

    [Fact]
    public void Orders_are_composed()
    {
        ScanOrder columns = ScanOrder.Columns(2, 2);

        Positions(columns.Reversed()).Should().Equal(3, 1, 2, 0);
        Positions(columns.Then(ScanOrder.Backward)).Should().Equal(3, 1, 2, 0);
        Positions(columns.Insert(0, 3)).Should().Equal(-1, 0, 2, -1, 1, 3);
        Positions(columns.Insert(4)).Should().Equal(0, 2, 1, 3, -1);
        Positions(ScanOrder.Concat(columns, columns.Reversed())).Should().Equal(0, 2, 1, 3, 3, 1, 2, 0);
        Positions(columns.Then(ScanOrder.From([1, -1, 1], 4))).Should().Equal(2, -1, 2);
        ScanOrder.Backward.Reversed().Should().BeSameAs(ScanOrder.Forward);
        ScanOrder.Forward.Reversed().Should().BeSameAs(ScanOrder.Backward);
    }

    [Fact]
    public void Padding_and_tokens_that_are_left_out_have_no_step()
    {
        ScanOrder order = ScanOrder.From([3, -1, 0], 4);

        order.IsPermutation.Should().BeFalse();
        order.Inverse.ToArray().Should().Equal(2, -1, -1, 0);
        (order.Length, order.GridLength).Should().Be((3, 4));
        ScanOrder.From([0, 1], 3).IsPermutation.Should().BeFalse();
    }

    [Fact]
    public void Samples_keep_their_orders_when_they_are_composed()
    {
        ScanOrder order = ScanOrder.PerSample(ScanOrder.From([0, 1, 2], 3), ScanOrder.From([2, 0, 1], 3));

        order.Samples.Should().Be(2);
        order.IsPermutation.Should().BeTrue();
        Positions(order).Should().Equal(0, 1, 2, 2, 0, 1);
        order.Inverse.ToArray().Should().Equal(0, 1, 2, 1, 2, 0);
        Positions(order.Reversed()).Should().Equal(2, 1, 0, 1, 0, 2);
        Positions(order.Insert(1)).Should().Equal(0, -1, 1, 2, 2, -1, 0, 1);
        Positions(order.Then(ScanOrder.From([2, 1, 0], 3))).Should().Equal(2, 1, 0, 1, 0, 2);
        Positions(ScanOrder.Concat(ScanOrder.From([1], 3), order)).Should().Equal(1, 0, 1, 2, 1, 2, 0, 1);
    }

    [Fact]
    public void Misuse_is_refused_by_name()
    {
        ScanOrder three = ScanOrder.From([0, 1, 2], 3);
        ScanOrder two = ScanOrder.PerSample(three, three);
        (Action Call, string Message)[] cases =
        [
            (() => ScanOrder.From([0, 3], 3), "*0 to 2*-1*found 3 at step 1*"),
            (() => ScanOrder.From([-2], 3), "*found -2 at step 0*"),
            (() => ScanOrder.From([], -1), "*gridLength*"),
            (() => ScanOrder.Rows(0, 3), "*sizes*"),
            (() => ScanOrder.Gilbert(3, -1), "*sizes*"),
            (() => ScanOrder.Rows(1 << 20, 1 << 20), "*at most*tokens*"),
            (() => ScanOrder.Windows(3, 3, 0, 1), "*windowHeight*"),
            (() => ScanOrder.Atrous(3, 3, 0), "*step*"),
            (() => ScanOrder.Snake(3, 3, (GridCorner)7), "*corner*"),
            (() => ScanOrder.Axes([2, 3], [0, 0]), "*0 to 1, each once*[0, 0]*"),
            (() => ScanOrder.Axes([2, 3], [0]), "*0 to 1, each once*[0]*"),
            (() => ScanOrder.Axes([2, 3], [0, 1], [true]), "*2 flips; found 1*"),
            (() => ScanOrder.Hilbert([2, .. Enumerable.Repeat(1, 62)]), "*62 bits*63 axes*"),
            (() => ScanOrder.Random(-1, 0), "*length*"),
            (() => three.Then(ScanOrder.Rows(2, 2)), "*4 tokens; asked for 3*"),
            (() => three.Insert(1, 1), "*found 1 twice*"),
            (() => three.Insert(4), "*0 to 3*found 4*"),
            (() => ScanOrder.Concat(), "*found none*"),
            (() => ScanOrder.Concat(three, ScanOrder.Rows(2, 2)), "*3 tokens*4 steps over 4 tokens*"),
            (() => ScanOrder.PerSample(), "*found none*"),
            (() => ScanOrder.PerSample(three, ScanOrder.From([0], 3)), "*3 steps*1 steps over 3 tokens*"),
            (() => ScanOrder.PerSample(two), "*one row*2 samples*"),
            (() => two.Then(ScanOrder.PerSample(three, three, three)), "*as many samples; found 2 and 3*"),
            (() => _ = ScanOrder.From([0, 0], 3).Inverse, "*several times*"),
            (() => _ = ScanOrder.Backward.Length, "*Backward*no length*OfLength*"),
            (() => _ = ScanOrder.Forward.Positions, "*Forward*no length*OfLength*"),
            (() => ScanOrder.Backward.Insert(0), "*Backward*no length*"),
        ];

        foreach ((Action call, string message) in cases)
        {
            call.Should().Throw<Exception>(message).WithMessage(message);
        }
    }

    private static int[] Positions(ScanOrder order) => order.Positions.ToArray();

    /// <summary>The longest way from a step to the next, in steps along axes.</summary>
    private static int LongestStep(ScanOrder order, params int[] sizes)
    {
        int longest = 0;
        for (int t = 1; t < order.Length; t++)
        {
            (int a, int b, int distance) = (order.Positions[t - 1], order.Positions[t], 0);
            foreach (int size in sizes.Reverse())
            {
                (a, int placeA) = Math.DivRem(a, size);
                (b, int placeB) = Math.DivRem(b, size);
                distance += Math.Abs(placeA - placeB);
            }

            longest = Math.Max(longest, distance);
        }

        return longest;
    }
}
