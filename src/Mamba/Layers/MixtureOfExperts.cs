using System.Buffers;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// A sparse mixture of experts: a router chooses a few of many layers for each token, and their outputs are added with
/// the router's weights.
/// </summary>
/// <remarks>
/// Shazeer et al., <see href="https://arxiv.org/abs/1701.06538"/>, section 2.1. Each expert computes only its own
/// tokens. The choice is made on the host, so on a GPU every call waits for the router. Gradients reach the router
/// through the weights of the chosen experts. Nothing balances the load of the experts during training.
/// </remarks>
/// <example>
/// <code>
/// MixtureOfExpertsOptions options = new()
/// {
///     ModelDim = 64, Experts = 8, ExpertsPerToken = 2, Expert = new GatedMlpOptions { ModelDim = 64, HiddenDim = 96 },
/// };
/// using MixtureOfExperts mixture = new(device, options, random);
/// DeviceArray y = x + mixture.Forward(x);
/// </code>
/// </example>
public sealed class MixtureOfExperts : Module, ILayer
{
    private readonly MixtureOfExpertsOptions _options;
    private readonly ILayer[] _experts;

    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <param name="outputScale">Scale of the initial weights of the projections back to the model's width.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public MixtureOfExperts(Device device, MixtureOfExpertsOptions options, Random? random, double outputScale = 1)
        : base(device)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        Router = AddModule("router", new Linear(device, options.ModelDim, options.Experts, false, random));
        if (options.Routing == ExpertRouting.Sigmoid)
        {
            ChoiceBias = AddParameter("choice_bias", [options.Experts], Initial.Constant(random, 0f));
            ChoiceBias.IsTrainable = false; // no gradient reaches it
        }

        if (options.LatentDim > 0)
        {
            LatentIn = AddModule("latent_in", new Linear(device, options.ModelDim, options.LatentDim, false, random));
            LatentOut = AddModule(
                "latent_out", new Linear(device, options.LatentDim, options.ModelDim, false, random, outputScale));
        }

        _experts = new ILayer[options.Experts];
        for (int i = 0; i < _experts.Length; i++)
        {
            _experts[i] = options.Expert.CreateLayer(device, random, outputScale);
            AddModule($"experts.{NameOf(i)}", Part(_experts[i], nameof(options.Expert)));
        }

        Shared = options.Shared?.CreateLayer(device, random, outputScale);
        if (Shared is not null)
        {
            AddModule("shared", Part(Shared, nameof(options.Shared)));
        }
    }

    /// <summary>Projects a token to one logit for each expert.</summary>
    public Linear Router { get; }

    /// <summary>
    /// Added to an expert's score when experts are chosen, not when they are weighted; shape [experts]. Null unless the
    /// routing is <see cref="ExpertRouting.Sigmoid"/>.
    /// </summary>
    public Parameter? ChoiceBias { get; }

    /// <summary>Projection to the width of the experts; null: they have the model's width.</summary>
    public Linear? LatentIn { get; }

    /// <summary>Projection of the sum of the experts back to the model's width; null without a latent width.</summary>
    public Linear? LatentOut { get; }

    /// <summary>The experts.</summary>
    public IReadOnlyList<ILayer> Experts => _experts;

    /// <summary>The layer that every token passes through; null: none.</summary>
    public ILayer? Shared { get; }

    /// <summary>Computes the layer for every token.</summary>
    /// <param name="x">Shape [.., modelDim].</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">x has another width.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        RequireWidth(x, _options.ModelDim);
        x = Functions.Contiguous(x);
        int tokens = checked((int)x.Shape.Rows), pairs = checked(tokens * _options.ExpertsPerToken);
        DeviceArray logits = Router.Forward(x).Reshape([tokens, _options.Experts]);
        int[] buffer = ArrayPool<int>.Shared.Rent((3 * pairs) + _options.Experts);
        try
        {
            Span<int> chosen = buffer.AsSpan(0, pairs), ends = buffer.AsSpan(3 * pairs, _options.Experts);
            Choose(logits, chosen);
            DeviceArray weights = Weights(logits, chosen);
            Span<int> rows = buffer.AsSpan(pairs, pairs), places = buffer.AsSpan(2 * pairs, pairs);
            SortByExpert(chosen, rows, places, ends);

            DeviceArray latent = LatentIn?.Forward(x) ?? x;
            DeviceArray sum = Sum(latent.Reshape([tokens, _options.ExpertDim]), weights, rows, places, ends);
            sum = sum.Reshape(latent.Shape);
            DeviceArray y = LatentOut?.Forward(sum) ?? sum;
            return Shared is null ? y : Functions.Add(y, Shared.Forward(x));
        }
        finally
        {
            ArrayPool<int>.Shared.Return(buffer);
        }
    }

    /// <summary>Applies each expert to its tokens, and adds the weighted outputs of each token.</summary>
    private DeviceArray Sum(
        DeviceArray tokens, DeviceArray weights, Span<int> rows, Span<int> places, Span<int> ends)
    {
        int width = _options.ExpertDim;
        if (rows.IsEmpty)
        {
            return tokens;
        }

        // Every row is a sequence of one token, so that a token has the same bits among any others.
        IndexArray tokenRows = Device.Indices(rows);
        DeviceArray inputs = Functions.GatherRows(tokens, tokenRows).Reshape([rows.Length, 1, width]);
        List<DeviceArray> outputs = [];
        int start = 0;
        for (int expert = 0; expert < ends.Length; expert++)
        {
            int count = ends[expert] - start;
            if (count > 0)
            {
                outputs.Add(_experts[expert].Forward(inputs.RowRange(start, count).AsToken()));
                start = ends[expert];
            }
        }

        DeviceArray all = Functions.Concat(0, [.. outputs]).Reshape([rows.Length, width]);
        DeviceArray weight = Functions.GatherRows(
            weights.Reshape([(int)weights.Shape.Count, 1]), Device.Indices(places));
        return Functions.ScatterRows(Functions.Multiply(all, weight), tokenRows, tokens.Shape[0]);
    }

    /// <summary>The weight of every expert for every token, 0 for those not chosen: [tokens, experts].</summary>
    private DeviceArray Weights(DeviceArray logits, ReadOnlySpan<int> chosen)
    {
        int experts = _options.Experts;
        float[] mask = ArrayPool<float>.Shared.Rent((int)logits.Shape.Count);
        try
        {
            // e^(logit - 1e30) is 0.
            bool isAdded = _options.Routing == ExpertRouting.SoftmaxOfChosen;
            Span<float> values = mask.AsSpan(0, (int)logits.Shape.Count);
            values.Fill(isAdded ? -1e30f : 0f);
            for (int i = 0; i < chosen.Length; i++)
            {
                values[(i / _options.ExpertsPerToken * experts) + chosen[i]] = isAdded ? 0f : 1f;
            }

            DeviceArray weights = Weights(logits, Device.Array(logits.Shape, values));
            return Functions.Scaled(weights, _options.WeightScale);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(mask);
        }
    }

    private DeviceArray Weights(DeviceArray logits, DeviceArray mask)
    {
        switch (_options.Routing)
        {
            case ExpertRouting.SoftmaxOfChosen:
                return Functions.Softmax(Functions.Add(logits, mask));
            case ExpertRouting.Softmax:
                return Functions.Multiply(Functions.Softmax(logits), mask);
            default:
                DeviceArray weights = Functions.Multiply(Functions.Sigmoid(logits), mask);
                return _options.NormalizeWeights
                    ? weights / (Functions.Sum(weights, axis: -1, keep: true) + Device.Array([1], [1e-20f]))
                    : weights;
        }
    }

    /// <summary>Writes the experts of each token, in ascending order; of equal scores the first wins.</summary>
    private void Choose(DeviceArray logits, Span<int> chosen)
    {
        int experts = _options.Experts, count = _options.ExpertsPerToken;
        float[] buffer = ArrayPool<float>.Shared.Rent((int)logits.Shape.Count + experts);
        try
        {
            Span<float> scores = buffer.AsSpan(0, (int)logits.Shape.Count);
            Span<float> bias = buffer.AsSpan(scores.Length, experts);
            logits.CopyTo(scores);
            ChoiceBias?.Value.CopyTo(bias);
            for (int token = 0; token < logits.Shape[0]; token++)
            {
                Span<float> row = scores.Slice(token * experts, experts);
                for (int i = 0; i < experts; i++)
                {
                    float score = ChoiceBias is null ? row[i] : (1 / (1 + MathF.Exp(-row[i]))) + bias[i];
                    row[i] = MathF.Max(score, float.MinValue); // -∞ marks what is taken
                }

                DropOtherGroups(row);

                Span<int> own = chosen.Slice(token * count, count);
                for (int i = 0; i < count; i++)
                {
                    own[i] = TakeLargest(row);
                }

                own.Sort();
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(buffer);
        }
    }

    /// <summary>Leaves the scores of the groups with the largest sums of two scores.</summary>
    private void DropOtherGroups(Span<float> scores)
    {
        int groups = _options.Groups, size = scores.Length / groups;
        if (groups == _options.GroupsPerToken)
        {
            return;
        }

        Span<float> sums = groups <= 256 ? stackalloc float[groups] : new float[groups];
        for (int group = 0; group < groups; group++)
        {
            float first = float.NegativeInfinity, second = float.NegativeInfinity;
            foreach (float score in scores.Slice(group * size, size))
            {
                (first, second) = score > first ? (score, first) : (first, MathF.Max(second, score));
            }

            sums[group] = size > 1 ? first + second : first;
        }

        Span<bool> kept = groups <= 256 ? stackalloc bool[groups] : new bool[groups];
        kept.Clear();
        for (int i = 0; i < _options.GroupsPerToken; i++)
        {
            kept[TakeLargest(sums)] = true;
        }

        for (int group = 0; group < groups; group++)
        {
            if (!kept[group])
            {
                scores.Slice(group * size, size).Fill(float.NegativeInfinity);
            }
        }
    }

    /// <summary>Finds the first of the largest scores, and takes it out. NaN counts as largest, so it shows.</summary>
    private static int TakeLargest(Span<float> scores)
    {
        int largest = -1;
        for (int i = 0; i < scores.Length; i++)
        {
            if (!float.IsNegativeInfinity(scores[i]) && (largest < 0 || !(scores[i] <= scores[largest])))
            {
                largest = i;
            }
        }

        scores[largest] = float.NegativeInfinity;
        return largest;
    }

    /// <summary>Sorts pairs of tokens and experts by expert.</summary>
    /// <param name="chosen">The experts of each token.</param>
    /// <param name="rows">Receives the token of each pair.</param>
    /// <param name="places">Receives the place of each pair among the weights, [tokens, experts].</param>
    /// <param name="ends">Receives the end of each expert's pairs.</param>
    private void SortByExpert(ReadOnlySpan<int> chosen, Span<int> rows, Span<int> places, Span<int> ends)
    {
        ends.Clear();
        foreach (int expert in chosen)
        {
            ends[expert]++;
        }

        int start = 0;
        foreach (ref int end in ends)
        {
            (end, start) = (start, start + end); // for now, where the expert's pairs begin
        }

        for (int i = 0; i < chosen.Length; i++)
        {
            int token = i / _options.ExpertsPerToken, place = ends[chosen[i]]++;
            (rows[place], places[place]) = (token, (token * ends.Length) + chosen[i]);
        }
    }
}
