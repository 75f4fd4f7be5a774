using System.ComponentModel;
using System.Diagnostics;

namespace Mamba.Tasks.Text;

/// <summary>How small the program xz makes a text.</summary>
internal static class XzBaseline
{
    /// <summary>The bytes that a text takes behind another that is known, in bits per byte of its own.</summary>
    /// <param name="known">What stands before; may be empty.</param>
    /// <param name="text">The text.</param>
    /// <returns>The bits per byte; null where there is no program xz.</returns>
    public static double? BitsPerByte(byte[] known, byte[] text)
    {
        try
        {
            long before = known.Length == 0 ? 0 : Compressed(known), whole = Compressed([.. known, .. text]);
            return 8.0 * (whole - before) / text.Length;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    private static long Compressed(byte[] text)
    {
        ProcessStartInfo start = new("xz", ["-9e", "--stdout"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        Task writing = Task.Run(() =>
        {
            using Stream input = process.StandardInput.BaseStream;
            input.Write(text);
        });
        long length = 0;
        byte[] buffer = new byte[1 << 16];
        for (int read; (read = process.StandardOutput.BaseStream.Read(buffer)) > 0;)
        {
            length += read;
        }

        writing.Wait();
        process.WaitForExit();
        return process.ExitCode == 0 ? length : throw new IOException($"xz ended with code {process.ExitCode}.");
    }
}
