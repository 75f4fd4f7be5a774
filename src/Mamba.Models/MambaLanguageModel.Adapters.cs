using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models;

public sealed partial class MambaLanguageModel
{
    /// <summary>
    /// Saves what fine-tuning has changed, as adapter_config.json and adapter_model.safetensors: adapters of
    /// <see cref="LowRank"/> as the PEFT library has them, and all other trainable parameters, such as learned initial
    /// states, under their names in a checkpoint.
    /// </summary>
    /// <param name="folder">Is made if there is none; files of these names are replaced.</param>
    /// <exception cref="InvalidOperationException">
    /// There are neither adapters nor trainable parameters, or some of them were never set; nothing is written.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed; nothing is written.</exception>
    /// <exception cref="NotSupportedException">
    /// Adapters differ in rank or α, their rank is beyond what <see cref="LoadAdapters"/> takes, or checkpoints have no
    /// names for a layer.
    /// </exception>
    public void SaveAdapters(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        AdapterFiles.Save(this, folder);
    }

    /// <summary>
    /// Loads what <see cref="SaveAdapters"/> or the PEFT library has saved: freezes all parameters, puts trainable
    /// adapters beside the projections, and takes over the other parameters, trainable, too. On failure the model stays
    /// as it is.
    /// </summary>
    /// <param name="folder">A folder with adapter_config.json and adapter_model.safetensors.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder lacks a file.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged or cut off, a number is out of its range or does not fit a narrow weight, or a tensor is
    /// unknown or of a wrong shape.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The adapters' kind, an option of them, or what they are beside is not supported: adapters stand beside
    /// projections, not beside embeddings, convolutions, or a head that shares the embedding's weights.
    /// </exception>
    /// <exception cref="InvalidOperationException">The model has adapters already.</exception>
    public void LoadAdapters(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        AdapterFiles.Load(this, folder);
    }
}
