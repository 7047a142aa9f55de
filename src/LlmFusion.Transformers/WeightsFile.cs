using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// An open file of weights: its tensors are known and checked, and each is read when it is asked for. Safetensors
/// (<see cref="SafetensorsFile"/>) or PyTorch's own format (<see cref="PytorchFile"/>).
/// </summary>
public abstract class WeightsFile : IDisposable
{
    /// <summary>The most dimensions a tensor may have here; no model's weights have more than five.</summary>
    public const int MaxDimensions = 8;

    private readonly FileStream stream;

    private protected WeightsFile(string path, FileStream stream)
    {
        Path = path;
        this.stream = stream;
    }

    /// <summary>Where the file is.</summary>
    public string Path { get; }

    /// <summary>Its tensors, in the order of the file.</summary>
    public abstract IReadOnlyList<CheckpointEntry> Entries { get; }

    /// <summary>Opens a file and checks everything but the tensors' values; <c>.bin</c> is PyTorch's format, anything else safetensors.</summary>
    /// <exception cref="CheckpointException">The file is missing, truncated, damaged or hostile.</exception>
    public static WeightsFile Open(string path) =>
        path.EndsWith(".bin", StringComparison.OrdinalIgnoreCase) ? PytorchFile.Open(path) : SafetensorsFile.Open(path);

    /// <summary>Reads one tensor.</summary>
    /// <param name="name">The name of one of <see cref="Entries"/>.</param>
    /// <returns>A CPU tensor that owns its memory. It belongs to the caller, or to the scope that is open.</returns>
    /// <exception cref="CheckpointException">The file became shorter meanwhile.</exception>
    public abstract Tensor Read(string name);

    /// <summary>Reads the tensors that are wanted; null: all.</summary>
    internal Dictionary<string, Tensor> ReadAll(Func<string, bool>? wanted)
    {
        Dictionary<string, Tensor> tensors = [];
        try
        {
            foreach (CheckpointEntry entry in Entries.Where(entry => wanted is null || wanted(entry.Name)))
                tensors.Add(entry.Name, Read(entry.Name));
            return tensors;
        }
        catch
        {
            foreach (Tensor tensor in tensors.Values)
                tensor.Dispose();
            throw;
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        stream.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A contiguous tensor from the file's bytes; the range is checked already.</summary>
    private protected Tensor ReadRange(ScalarType type, ReadOnlySpan<long> shape, long offset)
    {
        Tensor tensor = empty([.. shape], dtype: type);
        try
        {
            stream.Position = offset;
            TensorMemory.EachChunk(tensor, stream.ReadExactly);
            return tensor;
        }
        catch (EndOfStreamException error)
        {
            tensor.Dispose();
            throw new CheckpointException($"{Path}: it became shorter while it was read", error);
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <exception cref="CheckpointException">It is not there, or not readable.</exception>
    internal static FileStream OpenStream(string path, string expected)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: not found, expected {expected}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read ({error.Message}), expected {expected}", error);
        }
    }
}
