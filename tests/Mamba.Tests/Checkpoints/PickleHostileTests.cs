using Mamba.Models.Checkpoints;

namespace Mamba.Tests.Checkpoints;

public sealed class PickleHostileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Views over a storage of 6 floats: offset, sizes, strides.</summary>
    public static TheoryData<long, long[], long[], string> LyingViews => new()
    {
        { 1, [6], [1], "*within 6 elements*offset 1*" },
        { 0, [7], [1], "*within 6 elements*sizes [7]*" },
        { -1, [2], [1], "*nothing negative*offset -1*" },
        { 0, [-2], [1], "*nothing negative*sizes [-2]*" },
        { 5, [2], [-1], "*nothing negative*strides [-1]*" },
        { 0, [2, 3], [1], "*stride for each size*" },
        { 0, [2, 3], [4, 1], "*within 6 elements*strides [4, 1]*" },
        { 0, [1_000_000_000_000], [0], "*within 6 elements*" }, // one element, a million million times
        { 0, [4294967296, 4294967296], [0, 0], "*within 6 elements*" },
        { 0, [2], [long.MaxValue], "*within 6 elements*" },
        { long.MaxValue, [1], [1], "*within 6 elements*" },
        { long.MaxValue - 5, [6], [1], "*within 6 elements*" },
        { 4611686018427387904, [1], [1], "*within 6 elements*" }, // times 4 bytes: 0, if it wrapped around
    };

    public static TheoryData<string, byte[], string> HostilePickles => new()
    {
        { "os.system", P.Global("os", "system").Text("echo").Raw(0x85).Op('R').Bytes(), "*\"os.system\"*not allowed*" },
        { "eval", P.Global("builtins", "eval").Text("1").Raw(0x85).Op('R').Bytes(), "*\"builtins.eval\"*not allowed*" },
        { "protocol 4", P.Text("posix").Text("system").Raw(0x93).Bytes(), "*\"posix.system\"*not allowed*" },
        { "torch.load", P.Global("torch", "load").Bytes(), "*\"torch.load\"*not allowed*" },
        { "sub-attribute", P.Global("collections", "OrderedDict.get").Bytes(), "*not allowed*" },
        { "load from bytes", P.Global("torch.storage", "_load_from_bytes").Bytes(), "*_load_from_bytes*not allowed*" },
        { "INST", P.Op('(').Text("ls").Raw("ios\nsystem\n"u8).Bytes(), "*opcode 0x69 'i'*" },
        { "OBJ", P.Op('(').Global("collections", "OrderedDict").Op('o').Bytes(), "*opcode 0x6f 'o'*" },
        { "NEWOBJ", P.Global("collections", "OrderedDict").Op(')').Raw(0x81).Bytes(), "*opcode 0x81*" },
        { "EXT1", P.Raw(0x82, 1).Bytes(), "*opcode 0x82*" },
        { "PERSID", P.Raw("Pabc\n"u8).Bytes(), "*opcode 0x50 'P'*" },
        { "unknown opcode", P.Raw(0xFF).Bytes(), "*byte 2*opcode 0xff*" },
        { "call of a number", P.Integer(5).Op(')').Op('R').Bytes(), "*the integer 5 called with a tuple of 0*" },
        {
            "call with no tuple",
            P.Global("collections", "OrderedDict").Op('}').Op('R').Bytes(),
            "*called with a dictionary*"
        },
        {
            "dictionary of items",
            P.Global("collections", "OrderedDict").Op(']').Raw(0x85).Op('R').Bytes(),
            "*tuple of 1*"
        },
        { "tensor of nothing", P.Global("torch._utils", "_rebuild_tensor_v2").Op(')').Op('R').Bytes(), "*tuple of 0*" },
        {
            "parameter of text",
            P.Global("torch._utils", "_rebuild_parameter").Text("x").Raw(0x88, 0x88, 0x87).Op('R').Bytes(),
            "*tuple of 3*"
        },
        {
            "BUILD on a tensor",
            P.Tensor(p => p.Storage("FloatStorage", "0", 6), 0, [6], [1]).Op('}').Op('b').Bytes(),
            "*dictionary to give attributes to*"
        },
        { "id of text", P.Text("x").Op('Q').Bytes(), "*id of a storage*\"x\"*" },
        {
            "id of another kind",
            P.Op('(').Text("module").Global("torch", "FloatStorage").Text("0").Text("cpu").Integer(6).Op('t').Op('Q')
                .Bytes(),
            "*tuple of 5*"
        },
        { "unknown storage type", P.Storage("QInt8Storage", "0", 6).Bytes(), "*torch.QInt8Storage*not allowed*" },
        { "missing storage", P.Storage("FloatStorage", "9", 6).Bytes(), "*\"archive/data/9\"*none*" },
        {
            "storage outside",
            P.Storage("FloatStorage", "../data.pkl", 6).Bytes(),
            "*\"archive/data/../data.pkl\"*none*"
        },
        { "storage too long", P.Storage("FloatStorage", "0", 7).Bytes(), "*7 elements F32*24 bytes*" },
        { "storage too short", P.Storage("FloatStorage", "0", 5).Bytes(), "*5 elements F32*24 bytes*" },
        { "storage of another type", P.Storage("DoubleStorage", "0", 6).Bytes(), "*6 elements F64*24 bytes*" },
        {
            "storage of 2^62 elements",
            P.Storage("FloatStorage", "0", (1L << 62) + 6).Bytes(),
            "*elements F32*24 bytes*"
        },
        { "storage of fewer than none", P.Storage("FloatStorage", "0", -6).Bytes(), "*-6 elements*" },
        {
            "sizes of text",
            P.Global("torch._utils", "_rebuild_tensor_v2").Op('(').Storage("FloatStorage", "0", 6).Integer(0)
                .Text("a").Raw(0x85).Integers(1).Raw(0x89).Op('}').Op('t').Op('R').Bytes(),
            "*expected integers*\"a\"*"
        },
        { "text of 4 GB", P.Raw((byte)'X', 0xFF, 0xFF, 0xFF, 0xFF).Bytes(), "*4294967295 more bytes*found 1*" },
        { "text of 2^63 bytes", P.Raw(0x8d, 0, 0, 0, 0, 0, 0, 0, 0x80).Bytes(), "*9223372036854775808 more bytes*" },
        { "text that is no UTF-8", P.Raw((byte)'X', 1, 0, 0, 0, 0xFF).Bytes(), "*UTF-8*" },
        {
            "integer of 255 bytes",
            P.Raw(0x8a, 255).Raw(new byte[255]).Bytes(),
            "*integer of up to 8 bytes; found 255*"
        },
        {
            "memo far ahead",
            P.Op('}').Raw((byte)'r', 0xFF, 0xFF, 0xFF, 0x7F).Bytes(),
            "*memo index up to 0; found 2147483647*"
        },
        { "memo of nothing", P.Op('q').Raw(0).Bytes(), "*value on the stack; found none*" },
        { "memo not noted", P.Op('h').Raw(3).Bytes(), "*memo index below 0; found 3*" },
        { "stack that is empty", P.Bytes(), "*value on the stack; found none*" },
        {
            "pop below a mark",
            P.Op('}').Op('(').Op('N').Op('N').Op('s').Op('s').Bytes(),
            "*value on the stack; found none*"
        },
        { "no mark", P.Op('t').Bytes(), "*mark on the stack*" },
        { "items of a number", P.Integer(1).Op('(').Op('u').Bytes(), "*a dictionary; found the integer 1*" },
        { "items of a dictionary", P.Op('}').Op('N').Op('a').Bytes(), "*a list; found a dictionary*" },
        { "odd items", P.Op('}').Op('(').Text("x").Op('u').Bytes(), "*pairs; found 1*" },
        { "key that is no text", P.Op('}').Integer(1).Op('N').Op('s').Bytes(), "*text; found the integer 1*" },
        { "key twice", P.Op('}').Op('(').Text("x").Op('N').Text("x").Op('N').Op('u').Bytes(), "*\"x\" twice*" },
        { "two values at the end", P.Op('}').Op('}').Bytes(), "*one value on the stack and no mark; found 2 and 0*" },
        { "mark at the end", P.Op('(').Op('}').Bytes(), "*one value on the stack and no mark; found 1 and 1*" },
        { "line without end", P.Raw("cos"u8).Bytes(), "*end of a line*" },
        { "new protocol", P.Raw(0x80, 6).Bytes(), "*protocol up to 5; found 6*" },
        { "list at the top", P.Op(']').Bytes(), "*dictionary of tensors*" },
        { "value that is no tensor", P.Begin().Text("epoch").Integer(3).End(), "*\"epoch\"*tensor*the integer 3*" },
        { "nested dictionary", P.Begin().Text("state_dict").Op('}').End(), "*\"state_dict\"*tensor*a dictionary*" },
        {
            "a list that holds itself",
            P.Begin().Text("x").Op(']').Op('q').Raw(0).Op('h').Raw(0).Op('a').End(),
            "*\"x\"*a list*"
        },
    };

    private static PickleBuilder P => new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(HostilePickles))]
    public void A_hostile_pickle_is_refused_by_name_and_nothing_runs(string what, byte[] pickle, string message)
    {
        byte[] archive = TorchArchive.Make(pickle, new() { ["0"] = new byte[24] });

        ShouldBeRefused(archive, message, what);
    }

    [Theory]
    [MemberData(nameof(LyingViews))]
    public void A_view_that_leaves_its_storage_is_refused(long offset, long[] sizes, long[] strides, string message)
    {
        byte[] pickle = P.Begin()
            .Text("x").Tensor(p => p.Storage("FloatStorage", "0", 6), offset, sizes, strides).End();
        byte[] archive = TorchArchive.Make(pickle, new() { ["0"] = new byte[24] });

        ShouldBeRefused(archive, message, "view");
    }

    [Theory]
    [InlineData('(')]
    [InlineData(']')]
    [InlineData('}')]
    [InlineData(')')]
    public void Deep_nesting_overflows_nothing(char opcode)
    {
        byte[] nested = new byte[1_000_000];
        nested.AsSpan().Fill((byte)opcode);

        ShouldBeRefused(TorchArchive.Make(P.Raw(nested).Bytes(), []), "*data.pkl*", "nesting");
    }

    [Fact]
    public void A_third_of_a_million_tuples_within_each_other_overflow_nothing()
    {
        byte[] tuple = [0x85, (byte)'q', 0]; // the memo's instruction pays for the tuple's memory
        byte[] nested = [.. Enumerable.Repeat(tuple, 333_000).SelectMany(bytes => bytes)];

        ShouldBeRefused(TorchArchive.Make(P.Op('N').Raw(nested).Bytes(), []), "*dictionary*", "nesting");
    }

    [Theory]
    [InlineData(new byte[] { (byte)'}' })]
    [InlineData(new byte[] { (byte)']' })]
    [InlineData(new byte[] { (byte)'N', 0x85, 0x85, 0x85, 0x85, 0x85, 0x85, 0x85, 0x85 })]
    [InlineData(new byte[] { (byte)'(', (byte)'}', (byte)'t' })]
    public void A_pickle_whose_values_take_more_than_32_times_its_size_is_refused(byte[] instructions)
    {
        int times = 1_000_000 / instructions.Length;
        byte[] repeated = [.. Enumerable.Repeat(instructions, times).SelectMany(bytes => bytes)];
        byte[] archive = TorchArchive.Make(P.Raw(repeated).Bytes(), []);
        long before = GC.GetAllocatedBytesForCurrentThread();

        ShouldBeRefused(archive, "*data.pkl*32 for each byte of the pickle; found more*", "memory");

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(64 << 20);
    }

    [Fact]
    public void A_tensor_of_many_axes_is_refused_before_they_are_copied()
    {
        PickleBuilder pickle = P.Op('(').Raw((byte)'K', 1).Op('q').Raw(0);
        for (int i = 1; i < 200_000; i++)
        {
            pickle.Op('h').Raw(0);
        }

        pickle.Op('t').Op('q').Raw(1).Op('(');
        for (int i = 0; i < 100; i++)
        {
            pickle.Global("torch._utils", "_rebuild_tensor_v2").Op('(').Storage("FloatStorage", "0", 1).Integer(0)
                .Op('h').Raw(1).Op('h').Raw(1).Raw(0x89).Op('N').Op('t').Op('R');
        }

        byte[] archive = TorchArchive.Make(pickle.Op('t').Bytes(), new() { ["0"] = new byte[4] });
        long before = GC.GetAllocatedBytesForCurrentThread();

        ShouldBeRefused(archive, "*at most 16 axes; found 200000*", "axes");

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(32 << 20);
    }

    [Fact]
    public void A_frame_that_reaches_beyond_the_pickle_is_refused() => ShouldBeRefused(
        TorchArchive.Make(P.Raw(0x95, 5, 0, 0, 0, 0, 0, 0, 0).Op('}').Bytes(), []),
        "*expected 5 more bytes; found 2*",
        "frame");

    [Fact]
    public void Memo_that_doubles_with_each_step_stays_small()
    {
        // Each tuple holds the last one twice: 2^100 leaves if it were unfolded.
        PickleBuilder pickle = P.Op('(').Op(')').Op('q').Raw(0);
        for (byte i = 0; i < 100; i++)
        {
            pickle.Op('h').Raw(i).Op('h').Raw(i).Raw(0x86).Op('q').Raw((byte)(i + 1));
        }

        ShouldBeRefused(TorchArchive.Make(pickle.Op('t').Bytes(), []), "*dictionary of tensors*", "memo");
    }

    private void ShouldBeRefused(byte[] content, string message, string because)
    {
        string path = _folder.Write("hostile.bin", content);

        Action open = () => TorchFile.Open(path);

        open.Should().Throw<InvalidDataException>(because).WithMessage(message, because).WithMessage("*hostile.bin*");
        using FileStream free = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None); // nobody holds it open
    }
}
