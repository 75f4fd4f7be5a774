using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Checkpoints;

/// <summary>Saves and loads the weights of any module, as safetensors by the names of parameters and buffers.</summary>
/// <remarks>
/// Values are saved in this library's layout, in float32; quantized weights are saved as the numbers that they stand
/// for. The language models of the package Mamba.Models save themselves in a published format.
/// </remarks>
/// <example>
/// <code>
/// module.Save("module.safetensors");
/// module.Load("module.safetensors");         // into a module of the same parts
/// </code>
/// </example>
public static class ModuleFile
{
    /// <summary>Elements that are read at once.</summary>
    private const int Piece = 1 << 18;

    /// <summary>
    /// Saves all parameters and buffers. The file is written under a temporary name and renamed, so a failure leaves
    /// the old file.
    /// </summary>
    /// <param name="module">What to save.</param>
    /// <param name="path">The file to make or replace, usually <c>*.safetensors</c>.</param>
    /// <param name="metadata">Metadata of the file; null writes <c>format: pt</c> alone.</param>
    /// <exception cref="InvalidOperationException">A parameter was never set; nothing is written.</exception>
    /// <exception cref="ObjectDisposedException">The module has been disposed; nothing is written.</exception>
    /// <exception cref="ArgumentException">Two arrays have one name; nothing is written.</exception>
    public static void Save(this Module module, string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentException.ThrowIfNullOrEmpty(path);
        foreach ((string name, Parameter parameter) in module.Parameters)
        {
            parameter.RequireSet(name);
        }

        SafetensorsWriter writer = new();
        foreach ((string key, string value) in metadata ?? new Dictionary<string, string>())
        {
            writer.Metadata[key] = value;
        }

        foreach ((string name, DeviceArray array) in ArraysOf(module))
        {
            _ = array.Storage; // throws if the module has been disposed
            long[] shape = Array.ConvertAll(array.Shape.ToArray(), size => (long)size);
            writer.Add(name, ElementType.F32, shape, (start, target) => array.ReadElements((nint)start, target));
        }

        writer.Save(path);
    }

    /// <summary>Loads parameters and buffers from a safetensors file.</summary>
    /// <param name="module">The module to load into, with the saved shapes.</param>
    /// <param name="path">The file.</param>
    /// <param name="rename">
    /// Maps the name of a parameter or buffer to its name in the file; null keeps the names.
    /// </param>
    /// <param name="strict">
    /// Whether the file must contain exactly the parameters and buffers. If false, missing ones keep their values and
    /// unknown tensors are ignored.
    /// </param>
    /// <returns>The names of the parameters and buffers that the file lacks; none if it is strict.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">
    /// The file does not keep to its format; or a tensor, which is named, is missing, unknown, of another shape, or not
    /// of floats. Nothing has changed.
    /// </exception>
    /// <exception cref="InvalidOperationException">A parameter is narrow; nothing has changed.</exception>
    public static IReadOnlyList<string> Load(
        this Module module, string path, Func<string, string>? rename = null, bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(module);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return module.Load(file, rename, strict);
    }

    /// <summary>Loads parameters and buffers from an open checkpoint of any format.</summary>
    /// <param name="module">What to load into.</param>
    /// <param name="source">The checkpoint.</param>
    /// <param name="rename">
    /// Maps the name of a parameter or buffer to its name in the checkpoint; null keeps the names.
    /// </param>
    /// <param name="strict">Whether it must contain exactly the parameters and buffers.</param>
    /// <returns>The names of the parameters and buffers that it lacks; none if it is strict.</returns>
    /// <exception cref="InvalidDataException">
    /// A tensor, which is named, is missing, unknown, of another shape, or not of floats. Nothing has changed.
    /// </exception>
    /// <exception cref="InvalidOperationException">A parameter is narrow; nothing has changed.</exception>
    /// <remarks>
    /// Everything is checked and read once before anything is written, so that a load that fails changes nothing.
    /// </remarks>
    public static IReadOnlyList<string> Load(
        this Module module, ITensorSource source, Func<string, string>? rename = null, bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(source);
        List<(DeviceArray Array, string Name)> found = [];
        List<string> missing = [];
        foreach ((string own, DeviceArray array) in ArraysOf(module))
        {
            string name = rename?.Invoke(own) ?? own;
            if (strict || source.Tensors.ContainsKey(name))
            {
                Require(module, source, own, name, array);
                found.Add((array, name));
            }
            else
            {
                missing.Add(own);
            }
        }

        if (strict && source.Tensors.Keys.Except(found.Select(pair => pair.Name)).FirstOrDefault() is { } unknown)
        {
            throw new InvalidDataException(
                $"{source.Path}: this {module.GetType().Name} has no parameter or buffer for the tensor " +
                $"\"{unknown}\". Rename what has another name here, or load with strict: false.");
        }

        Read(source, found, (_, _, _) => { });
        Read(source, found, (array, start, part) => array.WriteElements((nint)start, part));
        return missing;
    }

    private static IEnumerable<(string Name, DeviceArray Array)> ArraysOf(Module module) =>
        module.Parameters.Select(named => (named.Name, named.Parameter.Value)).Concat(module.Buffers);

    private static void Require(Module module, ITensorSource source, string own, string name, DeviceArray array)
    {
        _ = array.Storage; // throws if the module has been disposed
        TensorInfo info = source.Find(name);
        source.CheckType(info, info.Type.IsFloat(), ElementTypes.Floats);
        source.CheckShape(info, array.Shape.ToArray(), $"as \"{own}\" of this {module.GetType().Name}");
        if (array.Precision != Precision.Float32)
        {
            throw new InvalidOperationException(
                $"\"{own}\" is stored as {array.Precision}, and values are loaded as Float32. Call " +
                "Narrow(Precision.Float32) first, and Narrow again afterwards.");
        }
    }

    private static void Read(
        ITensorSource source, List<(DeviceArray Array, string Name)> found, ElementsRead use)
    {
        float[] piece = new float[Piece];
        foreach ((DeviceArray array, string name) in found)
        {
            for (long start = 0; start < array.Shape.Count; start += Piece)
            {
                Span<float> part = piece.AsSpan(0, (int)Math.Min(Piece, array.Shape.Count - start));
                source.ReadRange(name, start, part);
                use(array, start, part);
            }
        }
    }

    private delegate void ElementsRead(DeviceArray array, long start, ReadOnlySpan<float> part);
}
