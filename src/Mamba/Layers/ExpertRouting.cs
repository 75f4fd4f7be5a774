namespace Mamba.Layers;

/// <summary>How a mixture of experts turns the router's logits into the experts of a token and their weights.</summary>
/// <example>
/// <code>
/// MixtureOfExpertsOptions options = new()
/// {
///     ModelDim = 64, Experts = 8, ExpertsPerToken = 2, Expert = new GatedMlpOptions { ModelDim = 64, HiddenDim = 96 },
///     Routing = ExpertRouting.Softmax,
/// };
/// </code>
/// </example>
public enum ExpertRouting
{
    /// <summary>The largest logits; a softmax over them alone. Granite, Mixtral.</summary>
    SoftmaxOfChosen,

    /// <summary>The largest probabilities of a softmax over all experts, as they are. Jamba.</summary>
    Softmax,

    /// <summary>
    /// The largest sigmoids, after a bias that counts for the choice alone: DeepSeek-V3,
    /// <see href="https://arxiv.org/abs/2412.19437"/>, section 2.1.2; Nemotron-H.
    /// </summary>
    Sigmoid,
}
