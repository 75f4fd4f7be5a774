using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Serving;
using Mamba.Models.Training;
using Mamba.Operations;
using Mamba.Optimization;
using Mamba.Text;

namespace Mamba.Snippets;

/// <summary>The names that examples in the XML documentation use without declaring them.</summary>
internal abstract class Given
{
    protected static readonly int batch, channels, dim, first, frames, heads, height, length, second, states, width;
    protected static readonly long step;
    protected static readonly CpuDevice device = null!;
    protected static readonly Random random = null!;
    protected static readonly float[] input = [], output = [], tokens = [];
    protected static readonly int[] classes = [], ids = [], nextTokens = [], order = [], prompt = [];
    protected static readonly DeviceArray x, y, a, b, scale, shift, hidden, projected, token, target, logits, loss;
    protected static readonly DeviceArray images, weight, bias, oneHot, keys, queries, values, rates;
    protected static readonly DeviceArray distances, initialState, nodes;
    protected static readonly IndexArray sources, targets;
    protected static readonly ILayer layer = null!, norm = null!, router = null!;
    protected static readonly Linear head = null!;
    protected static readonly RmsNorm finalNorm = null!;
    protected static readonly ResidualBlock[] blocks = [];
    protected static readonly MambaMixer mixer = null!;
    protected static readonly LayerState state = null!;
    protected static readonly Module module = null!;
    protected static readonly MambaLanguageModel model = null!;
    protected static readonly MambaEngine engine = null!;
    protected static readonly Trainer trainer = null!;
    protected static readonly Parameter parameter = null!;
    protected static readonly Optimizer optimizer = null!;
    protected static readonly Tape tape = null!;
    protected static readonly TextTokenizer tokenizer = null!;
    protected static readonly ScanInputs inputs, firstInputs, secondInputs;
    protected static readonly Exchange exchange = null!;

    protected interface Exchange
    {
        void Begin(DeviceArray array);

        void Average(DeviceArray array);
    }
}
