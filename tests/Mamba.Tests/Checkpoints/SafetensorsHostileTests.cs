using CsCheck;
using Mamba.Checkpoints;
using static Mamba.Tests.Checkpoints.SafetensorsBytes;

namespace Mamba.Tests.Checkpoints;

public sealed class SafetensorsHostileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string> LyingTensors => new()
    {
        { Tensor("x", "F31", "[2]", 0, 8), "*\"x\"*known dtype*\"F31\"*" },
        { Tensor("x", "F32", "[3]", 0, 8), "*\"x\"*12 bytes for F32 [3]*8*" },
        { Tensor("x", "F32", "[-2]", 0, 8), "*\"x\"*not negative*-2*" },
        { Tensor("x", "F32", "[2.5]", 0, 8), "*\"x\"*integers*2.5*" },
        { Tensor("x", "F32", "[1e30]", 0, 8), "*\"x\"*integers*1e30*" },
        { Tensor("x", "F32", "[[2]]", 0, 8), "*\"x\"*integers*StartArray*" },
        { Tensor("x", "F32", "[99999999999999999999]", 0, 8), "*\"x\"*below 2^63*99999999999999999999*" },
        { Tensor("x", "F32", "[4294967296,4294967296]", 0, 8), "*\"x\"*below 2^63*4294967296*" },
        { Tensor("x", "F32", "[2305843009213693953]", 0, 4), "*\"x\"*below 2^63*" }, // 4 bytes, if it wrapped around
        { Tensor("x", "F32", "[536870914]", 0, 8), "*\"x\"*2147483656 bytes*8*" }, // just above 2^31 bytes
        { Tensor("x", "F32", "[2]", 8, 0), "*\"x\"*rise*[8, 0]*" },
        { Tensor("x", "F32", "[2]", 0, 9), "*\"x\"*8 bytes for F32 [2]*9*[0, 9]*" },
        { Tensor("x", "F32", "[2]", -8, 0), "*\"x\"*not negative*-8*" },
        { Tensor("x", "F32", "[1]", 4, 8), "*\"x\"*beginning at byte 0*hole up to 4*" },
        { Tensor("x", "F32", "[1]", 0, 4), "*4 bytes of data*found 8*" },
        {
            Tensor("x", "F32", "[2]", 0, 8) + "," + Tensor("y", "F32", "[1]", 4, 8),
            "*\"y\"*where \"x\" ends*overlap from byte 4*"
        },
        {
            Tensor("x", "F32", "[2]", 0, 8) + "," + Tensor("y", "F32", "[2]", 0, 8),
            "*after byte 8*overlap from byte 0*"
        },
        { Tensor("x", "F32", "[1]", 0, 4) + "," + Tensor("x", "F32", "[1]", 4, 8), "*one tensor \"x\"*two*" },
        { "\"x\":{\"dtype\":\"F32\",\"shape\":[2]}", "*\"x\"*data_offsets*absent*" },
        { "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}", "*\"x\"*two data_offsets*[0, 4, 8]*" },
        { "\"x\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[2]}", "*\"x\"*once*\"dtype\"*" },
        { "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"scale\":3,\"data_offsets\":[0,8]}", "*\"x\"*\"scale\"*" },
        { "\"x\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}", "*\"x\"*String*7*" },
        { "\"x\":5", "*\"x\"*StartObject*5*" },
        { "\"x\":null", "*\"x\"*StartObject*Null*" },
        { "\"__metadata__\":{\"a\":1}", "*__metadata__*String*1*" },
        { "\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}", "*one entry \"a\"*two*" },
        { "\"__metadata__\":{},\"__metadata__\":{}", "*\"__metadata__\"*two*" },
        { "\"x\":{\"dtype\":{\"a\":{\"b\":{\"c\":{}}}}}", "*\"x\"*String*StartObject*" },
        { "\"x\":{\"dtype\":\"\\ud800\"}", "*JSON*" },
    };

    public static TheoryData<byte[], string> BrokenFiles => new()
    {
        { [], "*empty file*" },
        { [1, 2, 3], "*8 bytes and more; found 3*" },
        { Make("", []), "*begins with '{'*" },
        { Make("  {}", []), "*begins with '{'*" },
        { Make("[]", []), "*begins with '{'*" },
        { Make("{", []), "*JSON header*" },
        { Make("{\"x\":", []), "*JSON header*" },
        { Make("{} x", []), "*JSON header*" },
        { Make("{}{}", []), "*JSON header*" },
        { Make("{\"\xff\":", []), "*JSON header*" },
        { Make("{}", [], claimedLength: 3), "*cut off: found 10 of at least 11 bytes*" },
        { Make("{}", [], claimedLength: 2_147_483_648), "*at most 100000000 bytes*2147483648*" },
        { Make("{}", [], claimedLength: ulong.MaxValue), "*at most 100000000 bytes*18446744073709551615*" },
        { Make("{}", [], claimedLength: (ulong)long.MaxValue + 1), "*at most 100000000 bytes*" },
        { Make("{\"x\":" + new string('[', 100_000), []), "*\"x\"*StartObject*" },
        { Make("{}", [1]), "*0 bytes of data*found 1*" },
        { "PK\x03\x04 this is a zip file"u8.ToArray(), "*header of at most*" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(LyingTensors))]
    public void A_header_that_lies_is_refused_by_file_tensor_expected_and_found(string tensors, string message) =>
        ShouldBeRefused(Make("{" + tensors + "}", new byte[8]), message);

    [Theory]
    [MemberData(nameof(BrokenFiles))]
    public void A_broken_file_is_refused(byte[] content, string message) => ShouldBeRefused(content, message);

    [Fact]
    public void A_name_that_is_no_UTF8_is_refused() =>
        ShouldBeRefused([.. BitConverter.GetBytes(8L), .. "{\""u8, 0xFF, 0xFE, .. "\":1}"u8], "*JSON header*");

    [Fact]
    public void A_header_above_the_limit_is_refused_before_it_is_read()
    {
        string path = _folder.Write("x.safetensors", Make("{", [], claimedLength: 100_000_001));
        using (FileStream stream = new(path, FileMode.Open))
        {
            stream.SetLength(200_000_000); // sparse
        }

        Action open = () => SafetensorsFile.Open(path);

        open.Should().Throw<InvalidDataException>().WithMessage("*100000000*100000001*");
    }

    [Fact]
    public void A_file_cut_short_anywhere_is_refused()
    {
        byte[] whole = Make("{" + Tensor("x", "F32", "[4]", 0, 16) + "}", new byte[16]);

        for (int length = 0; length < whole.Length; length++)
        {
            ShouldBeRefused(whole[..length], "*");
        }
    }

    [Fact]
    public void Any_damage_gives_a_file_that_is_read_or_refused_and_nothing_else()
    {
        byte[] whole = Make(
            "{\"__metadata__\":{\"format\":\"pt\"}," + Tensor("x", "F32", "[2,2]", 0, 16) + ","
            + Tensor("y", "BF16", "[2]", 16, 20) + "}",
            new byte[20]);

        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Array[1, 4].Sample(
            damages =>
            {
                byte[] damaged = [.. whole];
                foreach ((int at, byte value) in damages)
                {
                    damaged[at] = value;
                }

                string path = _folder.Write($"{Guid.NewGuid()}.safetensors", damaged);
                try
                {
                    using SafetensorsFile file = SafetensorsFile.Open(path);
                    foreach (TensorInfo info in file.Tensors.Values)
                    {
                        file.ReadBytes(info.Name, 0, new byte[info.ByteLength]);
                    }
                }
                catch (InvalidDataException e)
                {
                    e.Message.Should().Contain(path);
                }
            },
            iter: 1000,
            seed: "0000000000001");
    }

    private void ShouldBeRefused(byte[] content, string message)
    {
        string path = _folder.Write("hostile.safetensors", content);

        Action open = () => SafetensorsFile.Open(path);

        open.Should().Throw<InvalidDataException>().WithMessage(message).WithMessage("*hostile.safetensors*");
        using FileStream free = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None); // nobody holds it open
    }
}
