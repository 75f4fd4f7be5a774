namespace Mamba.Benchmarks.Onnx;

/// <summary>A float32 tensor of a model, by name.</summary>
/// <param name="Name">The name; empty for an absent optional input.</param>
/// <param name="Shape">The shape.</param>
internal sealed record OnnxTensor(string Name, params long[] Shape)
{
    /// <summary>An absent optional input.</summary>
    public static OnnxTensor None { get; } = new("");

    public bool Exists => Name.Length > 0;

    public int Count => checked((int)Shape.Aggregate(1L, (count, size) => count * size));
}

/// <summary>A model of one operator of ONNX Runtime's own domain, with its tensors.</summary>
/// <param name="Type">The operator.</param>
/// <param name="Inputs">The inputs, in the operator's order.</param>
/// <param name="Outputs">The outputs, in the operator's order.</param>
internal sealed record OnnxNode(string Type, IReadOnlyList<OnnxTensor> Inputs, IReadOnlyList<OnnxTensor> Outputs)
{
    private const string Domain = "com.microsoft";
    private const int IrVersion = 10, Opset = 21, DomainVersion = 1;

    private enum AttributeKind
    {
        Float = 1,
        Integer = 2,
        Text = 3,
    }

    public IReadOnlyDictionary<string, long> Integers { get; init; } = new Dictionary<string, long>();

    public IReadOnlyDictionary<string, float> Floats { get; init; } = new Dictionary<string, float>();

    public IReadOnlyDictionary<string, string> Texts { get; init; } = new Dictionary<string, string>();

    /// <summary>The model as an ONNX file; <c>onnx.proto3</c> defines the field numbers.</summary>
    /// <remarks><see href="https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3"/></remarks>
    public byte[] ToModel()
    {
        ProtobufWriter model = new();
        model.Write(1, IrVersion);
        model.Write(7, WriteGraph);
        model.Write(8, opset => opset.Write(2, Opset));
        model.Write(8, opset =>
        {
            opset.Write(1, Domain);
            opset.Write(2, DomainVersion);
        });
        return model.ToArray();
    }

    private void WriteGraph(ProtobufWriter graph)
    {
        graph.Write(1, WriteNode);
        graph.Write(2, Type);
        foreach (OnnxTensor input in Inputs.Where(input => input.Exists))
        {
            graph.Write(11, value => WriteTensor(value, input));
        }

        foreach (OnnxTensor output in Outputs)
        {
            graph.Write(12, value => WriteTensor(value, output));
        }
    }

    private void WriteNode(ProtobufWriter node)
    {
        foreach (OnnxTensor input in Inputs)
        {
            node.Write(1, input.Name);
        }

        foreach (OnnxTensor output in Outputs)
        {
            node.Write(2, output.Name);
        }

        node.Write(4, Type);
        foreach ((string name, float value) in Floats)
        {
            node.Write(5, attribute => WriteAttribute(attribute, name, AttributeKind.Float, a => a.Write(2, value)));
        }

        foreach ((string name, long value) in Integers)
        {
            node.Write(5, attribute => WriteAttribute(attribute, name, AttributeKind.Integer, a => a.Write(3, value)));
        }

        foreach ((string name, string value) in Texts)
        {
            node.Write(5, attribute => WriteAttribute(attribute, name, AttributeKind.Text, a => a.Write(4, value)));
        }

        node.Write(7, Domain);
    }

    private static void WriteAttribute(
        ProtobufWriter attribute, string name, AttributeKind kind, Action<ProtobufWriter> writeValue)
    {
        attribute.Write(1, name);
        writeValue(attribute);
        attribute.Write(20, (long)kind);
    }

    private static void WriteTensor(ProtobufWriter value, OnnxTensor tensor)
    {
        const int Float32 = 1;
        value.Write(1, tensor.Name);
        value.Write(2, type => type.Write(1, tensorType =>
        {
            tensorType.Write(1, Float32);
            tensorType.Write(2, shape =>
            {
                foreach (long size in tensor.Shape)
                {
                    shape.Write(1, dimension => dimension.Write(1, size));
                }
            });
        }));
    }
}
