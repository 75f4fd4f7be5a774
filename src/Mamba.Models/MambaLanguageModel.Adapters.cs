using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models;

public sealed partial class MambaLanguageModel
{
    /// <summary>
    /// Saves the result of fine-tuning as adapter_config.json and adapter_model.safetensors. These contain the adapters
    /// of <see cref="LowRank"/> in the format of the PEFT library, and all other trainable parameters, such as learned
    /// initial states, under their checkpoint names.
    /// </summary>
    /// <param name="folder">Created if absent; files of these names are replaced.</param>
    /// <exception cref="InvalidOperationException">
    /// There are neither adapters nor trainable parameters, or some of them were never set. Nothing is written.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed. Nothing is written.</exception>
    /// <exception cref="NotSupportedException">
    /// Adapters differ in rank or α, their rank exceeds the limit of <see cref="LoadAdapters"/>, or a layer has no
    /// checkpoint names.
    /// </exception>
    public void SaveAdapters(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        AdapterFiles.Save(this, folder);
    }

    /// <summary>
    /// Loads files from <see cref="SaveAdapters"/> or the PEFT library. It freezes all parameters, adds trainable
    /// adapters to the projections, and loads the other saved parameters as trainable. On failure the model is
    /// unchanged.
    /// </summary>
    /// <param name="folder">A folder with adapter_config.json and adapter_model.safetensors.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder lacks a file.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged or truncated, a number is out of range or does not fit a narrow weight, or a tensor is unknown
    /// or has a wrong shape.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The type of the adapters, one of their options, or an adapted module is not supported. Adapters are supported on
    /// projections, not on embeddings, convolutions, or a head that shares the embedding's weights.
    /// </exception>
    /// <exception cref="InvalidOperationException">The model has adapters already.</exception>
    public void LoadAdapters(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        AdapterFiles.Load(this, folder);
    }
}
