using Microsoft.ML.OnnxRuntime;

namespace Mamba.Benchmarks.Onnx;

/// <summary>One operator in ONNX Runtime, with its own memory for every input and output.</summary>
internal sealed class OnnxOperator : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _options = new();
    private readonly Dictionary<string, float[]> _memory = [];
    private readonly List<OrtValue> _inputs, _outputs;
    private readonly List<string> _inputNames, _outputNames;

    /// <summary>Opens the operator.</summary>
    /// <param name="node">The operator and its tensors.</param>
    /// <param name="threads">Number of threads.</param>
    public OnnxOperator(OnnxNode node, int threads)
    {
        using SessionOptions options = new() { IntraOpNumThreads = threads, InterOpNumThreads = 1 };

        // Spinning idle threads would take a third of the time of our runs; ONNX Runtime is as fast without spinning.
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        _session = new(node.ToModel(), options);
        (_inputNames, _inputs) = Bind(node.Inputs);
        (_outputNames, _outputs) = Bind(node.Outputs);
    }

    /// <summary>The memory of an input or an output.</summary>
    public Span<float> this[string name] => _memory[name];

    /// <summary>Computes the outputs from the inputs.</summary>
    public void Run() => _session.Run(_options, _inputNames, _inputs, _outputNames, _outputs);

    public void Dispose()
    {
        foreach (OrtValue value in _inputs.Concat(_outputs))
        {
            value.Dispose();
        }

        _options.Dispose();
        _session.Dispose();
    }

    private (List<string> Names, List<OrtValue> Values) Bind(IEnumerable<OnnxTensor> tensors)
    {
        List<string> names = [];
        List<OrtValue> values = [];
        foreach (OnnxTensor tensor in tensors.Where(tensor => tensor.Exists))
        {
            _memory[tensor.Name] = new float[tensor.Count];
            names.Add(tensor.Name);
            values.Add(OrtValue.CreateTensorValueFromMemory(_memory[tensor.Name], tensor.Shape));
        }

        return (names, values);
    }
}
