using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using LlmFusion.Transformers;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>
/// The checkpoints of a run: <c>checkpoints/last.safetensors</c>, all that a run needs to go on, and
/// <c>best-N.safetensors</c>, the weights of epoch N. Each appears complete or not at all.
/// </summary>
/// <param name="output">The run's folder.</param>
/// <param name="command">The command that goes on with it, for messages.</param>
public sealed class TrainingCheckpoint(string output, string command = "train")
{
    private const string StateKey = "llmfusion_state";
    private const int WritingShare = 20; // saving when it is not urgent takes at most 1/20 of the time

    private readonly Stopwatch _sinceSaved = Stopwatch.StartNew();
    private TimeSpan _writing;
    private (int Epoch, int Step)? _saved;
    private int _savedBest;

    /// <summary>What is saved beside the <see cref="TrainingState"/>.</summary>
    public IReadOnlyList<CheckpointPart> Parts { get; set; } = [];

    /// <summary>Whether there is something to resume.</summary>
    public bool Exists => File.Exists(Last);

    private string Folder => Path.Combine(output, "checkpoints");

    private string Last => Path.Combine(Folder, "last.safetensors");

    /// <summary>Whether so much time went by since the last checkpoint that another one's writing is small beside it.</summary>
    public bool IsCheap => _sinceSaved.Elapsed >= _writing * WritingShare;

    /// <summary>Whether it is time for a checkpoint.</summary>
    /// <param name="wanted">The interval asked for, which grows where writing takes long; zero is always.</param>
    public bool IsDue(TimeSpan wanted) => wanted == TimeSpan.Zero || (_sinceSaved.Elapsed >= wanted && IsCheap);

    /// <summary>
    /// Writes the weights of an epoch that is the best so far. Before a state names them: it must never name weights that are
    /// not there. The weights that the saved state names stay.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="average">Where its average of the weights is saved in their place; null: the weights themselves are.</param>
    public void SaveBest(nn.Module network, int epoch, WeightAverage? average = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> weights = network.state_dict();
        Write(Best(epoch), average?.Over(weights) ?? weights, null);
        DeleteBestBut(epoch, _savedBest);
    }

    /// <summary>Writes all parts and the state; nothing where the same was written already.</summary>
    /// <returns>Seconds and bytes it took; null where nothing was to be written.</returns>
    /// <exception cref="IOException">The disk is full or not writable; the checkpoint before this one is intact.</exception>
    /// <exception cref="TrainingDivergedException">A tensor holds NaN or infinity; the checkpoint before this one is kept.</exception>
    public (double Seconds, long Bytes)? Save(TrainingState state)
    {
        if (_saved == (state.Epoch, state.Step)) return null;
        Stopwatch clock = Stopwatch.StartNew();
        using DisposeScope scope = NewDisposeScope();
        Dictionary<string, Tensor> all = [];
        foreach (CheckpointPart part in Parts)
            foreach ((string name, Tensor value) in part.State())
                all[$"{part.Name}.{name}"] = value;
        RequireFinite(all, state);
        Write(Last, all, new() { [StateKey] = JsonSerializer.Serialize(state, RunConfig.Json) });
        (_saved, _savedBest) = ((state.Epoch, state.Step), state.Best);
        DeleteBestBut(state.Best, state.Best);
        _writing = clock.Elapsed;
        _sinceSaved.Restart();
        return (_writing.TotalSeconds, new FileInfo(Last).Length);
    }

    /// <summary>What the checkpoint says of its run, before any tensor is read.</summary>
    /// <exception cref="InvalidDataException">It holds no state, or that of another version of the program.</exception>
    public TrainingState ReadState()
    {
        string json = Safetensors.ReadHeader(Last).Metadata.GetValueOrDefault(StateKey) ?? throw new InvalidDataException($"{Last}: holds no training state");
        try
        {
            TrainingState state = JsonSerializer.Deserialize<TrainingState>(json, RunConfig.Json) ?? throw new JsonException("it is null");
            if (state.Best > 0 && !File.Exists(Best(state.Best))) throw new InvalidDataException($"{Best(state.Best)}: not found, expected the weights of the best epoch");
            return state;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{Last}: its training state is not one that this version reads ({e.Message}); finish the run with the version that began it", e);
        }
    }

    /// <summary>Loads all parts, one after the other so that the file is never whole in memory.</summary>
    /// <exception cref="CheckpointException">The file is damaged, or its tensors are not those of the parts.</exception>
    /// <exception cref="InvalidDataException">The optimiser's state is not that of its parameters.</exception>
    public void Load(TrainingState state)
    {
        foreach (CheckpointPart part in Parts)
        {
            using DisposeScope scope = NewDisposeScope();
            string prefix = part.Name + ".";
            part.Load(Safetensors.Read(Last, name => name.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(t => t.Key[prefix.Length..], t => t.Value));
        }

        (_saved, _savedBest) = ((state.Epoch, state.Step), state.Best);
    }

    /// <summary>Gives the network the weights of an epoch that was the best.</summary>
    public void LoadBest(nn.Module network, int epoch) => Checkpoint.LoadFile(network, Best(epoch));

    /// <summary>Removes what writing left behind when it was killed.</summary>
    public void RemoveUnfinished()
    {
        if (!Directory.Exists(Folder)) return;
        foreach (string file in Directory.GetFiles(Folder, "*.tmp")) File.Delete(file);
    }

    /// <summary>Removes the checkpoints of a finished run; first what makes it look unfinished.</summary>
    public void Delete()
    {
        if (!Directory.Exists(Folder)) return;
        File.Delete(Last);
        Directory.Delete(Folder, recursive: true);
    }

    private string Best(int epoch) => Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"best-{epoch}.safetensors"));

    private void Write(string path, IReadOnlyDictionary<string, Tensor> tensors, Dictionary<string, string>? metadata)
    {
        try
        {
            Directory.CreateDirectory(Folder);
            Safetensors.Write(path, tensors, metadata);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            // .NET says ArgumentOutOfRange where a file system or a limit of the process forbids a file so long.
            string kept = Exists ? "The checkpoint before it is intact" : "No checkpoint was written before, and the run begins anew";
            throw new IOException($"{path}: cannot be written ({e.Message}). {kept}; when there is room, go on with: ./llmfusion {command} --resume {output}", e);
        }
    }

    private void DeleteBestBut(int one, int other)
    {
        foreach (string file in Directory.GetFiles(Folder, "best-*.safetensors"))
            if (file != Best(one) && file != Best(other)) File.Delete(file);
    }

    /// <summary>A state that cannot be gone on from must not replace one that can.</summary>
    private static void RequireFinite(Dictionary<string, Tensor> tensors, TrainingState state)
    {
        foreach ((string name, Tensor value) in tensors)
        {
            using DisposeScope scope = NewDisposeScope();
            if (value.is_floating_point() && !double.IsFinite(value.detach().sum(ScalarType.Float64).item<double>()))
                throw new TrainingDivergedException(state.Epoch + 1, state.Step, [], $"{name} holds NaN or infinity");
        }
    }
}
