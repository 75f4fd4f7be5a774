using System.Globalization;
using System.Text;

namespace Mamba.Text.Decoding;

/// <summary>Reads runs of tokens such as <c>&lt;0xE6&gt;</c> as UTF-8.</summary>
/// <param name="next">The next stage.</param>
/// <param name="streams">
/// Whether characters go on as soon as they are whole; false: when the run ends, because one error in it makes every
/// byte of it U+FFFD.
/// </param>
internal sealed class ByteFallbackStep(DecodeStep next, bool streams) : DecodeStep(next)
{
    private static readonly UTF8Encoding _strict = new(false, throwOnInvalidBytes: true);

    private readonly Utf8Stream _stream = new();
    private readonly List<byte> _run = [];

    /// <summary>The byte of a token such as <c>&lt;0xE6&gt;</c>; null if it is no such token.</summary>
    public static byte? ByteOf(string text) =>
        text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>' &&
        byte.TryParse(
            text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value)
            ? value
            : null;

    /// <inheritdoc/>
    public override void Push(string text)
    {
        if (ByteOf(text) is { } value)
        {
            if (streams)
            {
                Send(_stream.Read([value]));
            }
            else
            {
                _run.Add(value);
            }
        }
        else
        {
            EndRun();
            Next.Push(text);
        }
    }

    /// <inheritdoc/>
    public override void End()
    {
        EndRun();
        base.End();
    }

    private void EndRun()
    {
        if (streams)
        {
            Send(_stream.End());
        }
        else if (_run.Count > 0)
        {
            try
            {
                Send(_strict.GetString([.. _run]));
            }
            catch (DecoderFallbackException)
            {
                Send(new string('\uFFFD', _run.Count));
            }

            _run.Clear();
        }
    }

    private void Send(string text)
    {
        if (text.Length > 0)
        {
            Next.Push(text);
        }
    }
}
