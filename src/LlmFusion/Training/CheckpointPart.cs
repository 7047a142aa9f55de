using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>Tensors without which a run cannot go on.</summary>
/// <param name="Name">Prefix of their names in the checkpoint.</param>
/// <param name="State">Gives them; they stay their owner's.</param>
/// <param name="Load">Takes over what <paramref name="State"/> gave; strict.</param>
public sealed record CheckpointPart(string Name, Func<IReadOnlyDictionary<string, Tensor>> State, Action<IReadOnlyDictionary<string, Tensor>> Load)
{
    /// <summary>A network's weights.</summary>
    public static CheckpointPart Of(nn.Module network) => new("network", () => network.state_dict(), tensors => Checkpoint.Load(network, tensors, source: "the checkpoint's network"));

    /// <summary>An optimiser's moments.</summary>
    public static CheckpointPart Of(AdamW optimizer) => new("optimizer", optimizer.State, optimizer.LoadState);

    /// <summary>An average of the weights.</summary>
    public static CheckpointPart Of(WeightAverage average) => new("average", average.State, average.LoadState);
}
