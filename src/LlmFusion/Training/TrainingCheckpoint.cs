using System.Text.Json;
using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>What a run must know to go on, beside the tensors.</summary>
/// <param name="SplitSha256">Hash of the data it was started with, vectors and frozen encoders included.</param>
/// <param name="Epoch">Epochs done.</param>
/// <param name="Best">Best epoch so far; 0 where none was done.</param>
/// <param name="BestLoss">Its validation loss.</param>
/// <param name="Plateau">ReduceLROnPlateau's memory.</param>
/// <param name="History">The log so far.</param>
public sealed record TrainingState(string SplitSha256, int Epoch, int Best, double BestLoss, ReduceOnPlateau.State Plateau, IReadOnlyList<EpochRecord> History);

/// <summary>The checkpoints of a run, each one file, so that each is replaced atomically: <c>checkpoints/last.safetensors</c> and <c>best.safetensors</c>.</summary>
public sealed class TrainingCheckpoint(string output)
{
    private const string StateKey = "llmfusion_state", WeightPrefix = "network.", OptimizerPrefix = "optimizer.", AveragePrefix = "average.";

    private string Folder => Path.Combine(output, "checkpoints");

    private string Last => Path.Combine(Folder, "last.safetensors");

    private string Best => Path.Combine(Folder, "best.safetensors");

    /// <summary>Whether there is something to resume.</summary>
    public bool Exists => File.Exists(Last);

    /// <summary>Writes the end of an epoch; the best weights first, so that a state never names weights that are not there.</summary>
    public void Save(nn.Module network, AdamW optimizer, TrainingState state, WeightAverage? average = null)
    {
        Directory.CreateDirectory(Folder);
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, string> metadata = new() { [StateKey] = JsonSerializer.Serialize(state, RunConfig.Json) };
        Dictionary<string, Tensor> weights = network.state_dict();
        if (state.Best == state.Epoch) Safetensors.Write(Best, average?.Over(weights) ?? weights, metadata);
        Dictionary<string, Tensor> all = weights.ToDictionary(w => WeightPrefix + w.Key, w => w.Value);
        foreach ((string name, Tensor value) in optimizer.State()) all[OptimizerPrefix + name] = value;
        if (average is not null)
            foreach ((string name, Tensor value) in average.State()) all[AveragePrefix + name] = value;
        Safetensors.Write(Last, all, metadata);
    }

    /// <summary>Takes network and optimiser back to the end of the last epoch.</summary>
    /// <exception cref="InvalidDataException">The checkpoint is damaged or belongs to another run.</exception>
    public TrainingState Resume(nn.Module network, AdamW optimizer, string splitSha256, WeightAverage? average = null)
    {
        using DisposeScope scope = NewDisposeScope();
        TrainingState state = Safetensors.ReadHeader(Last).Metadata.TryGetValue(StateKey, out string? json) && JsonSerializer.Deserialize<TrainingState>(json, RunConfig.Json) is { } read
            ? read : throw new InvalidDataException($"{Last}: holds no training state");
        if (state.SplitSha256 != splitSha256)
            throw new InvalidDataException($"{Last}: belongs to other data, vectors or frozen encoders (hash {state.SplitSha256}), got {splitSha256}: a run resumes with what it began with");
        Dictionary<string, Tensor> tensors = Safetensors.Read(Last);
        Checkpoint.Load(network, Part(tensors, WeightPrefix), source: Last);
        optimizer.LoadState(Part(tensors, OptimizerPrefix));
        average?.LoadState(Part(tensors, AveragePrefix));
        return state;
    }

    /// <summary>Gives the network the weights of the best epoch.</summary>
    public void LoadBest(nn.Module network) => Checkpoint.LoadFile(network, Best);

    /// <summary>Removes the checkpoints of a finished run.</summary>
    public void Delete()
    {
        if (Directory.Exists(Folder)) Directory.Delete(Folder, recursive: true);
    }

    private static Dictionary<string, Tensor> Part(Dictionary<string, Tensor> tensors, string prefix) =>
        tensors.Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(t => t.Key[prefix.Length..], t => t.Value);
}
