using System.Buffers.Binary;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// A state dict as torch.save writes it (<c>pytorch_model.bin</c>): since PyTorch 1.6 a zip archive with the pickle
/// <c>data.pkl</c> and one file a storage, before it five pickles and then the storages (torch/serialization.py,
/// <c>_load</c> and <c>_legacy_load</c>). The pickle is read by a machine that can build tensors and nothing else: any
/// other global is refused by name, and no code can run. All shapes, strides and places are checked against the file
/// before a tensor is read.
/// </summary>
/// <remarks>
/// The file must hold one dict from names to tensors, as transformers expects; any other entry is refused by name.
/// </remarks>
public sealed class PytorchFile : WeightsFile
{
    /// <summary>
    /// Views of one storage become tensors of their own, and may repeat elements (stride 0). Together they may have this
    /// many times the file's bytes, and this many more: tied tables need 4 times at the very most.
    /// </summary>
    private const long MaxGrowth = 8, MaxExtraBytes = 1 << 20;

    private static readonly Int128 magicNumber = new(0x1950, 0xa86a20f9469cfc6c);
    private const long LegacyProtocol = 1001;

    private readonly Dictionary<string, PickledTensor> tensors;
    private readonly Dictionary<string, long> storageOffsets;

    private PytorchFile(string path, FileStream stream, Dictionary<string, PickledTensor> tensors, Dictionary<string, long> storageOffsets)
        : base(path, stream)
    {
        this.tensors = tensors;
        this.storageOffsets = storageOffsets;
        Entries = [.. tensors.Select(item => new CheckpointEntry(item.Key, item.Value.Storage.Type.Type, item.Value.Shape, path))];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<CheckpointEntry> Entries { get; }

    /// <summary>Reads a file's tensors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="wanted">Which names to read; null: all.</param>
    /// <returns>CPU tensors by name, each with its own memory. They belong to the caller, or to the scope that is open.</returns>
    /// <exception cref="CheckpointException">The file is missing, truncated, damaged, hostile, or holds anything but tensors by name.</exception>
    public static Dictionary<string, Tensor> Read(string path, Func<string, bool>? wanted = null)
    {
        using PytorchFile file = Open(path);
        return file.ReadAll(wanted);
    }

    /// <summary>Opens a file, reads its pickle and checks it against the file.</summary>
    /// <exception cref="CheckpointException">The file is missing, truncated, damaged, hostile, or holds anything but tensors by name.</exception>
    public static new PytorchFile Open(string path)
    {
        FileStream stream = OpenStream(path, "a PyTorch checkpoint");
        try
        {
            byte[] start = StoredZip.ReadAt(stream, 0, Math.Min(stream.Length, 4));
            (object? value, Dictionary<string, long> offsets) = StoredZip.Begins(start) ? ReadZip(stream) : ReadLegacy(stream);
            return new PytorchFile(path, stream, StateDict(value, stream.Length), offsets);
        }
        catch (FormatException error)
        {
            stream.Dispose();
            throw new CheckpointException($"{path}: not a PyTorch checkpoint that can be used: {error.Message}", error);
        }
        catch (EndOfStreamException error)
        {
            stream.Dispose();
            throw new CheckpointException($"{path}: it became shorter while it was read", error);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override Tensor Read(string name)
    {
        PickledTensor tensor = tensors[name];
        PickledType type = tensor.Storage.Type;
        long offset = storageOffsets[tensor.Storage.Key] + (tensor.Offset * type.Size);
        if (tensor.IsContiguous)
            return ReadRange(type.Type, tensor.Shape, offset);
        using DisposeScope scope = NewDisposeScope();
        return ReadRange(type.Type, [tensor.Extent], offset).as_strided(tensor.Shape, tensor.Strides).contiguous()
            .MoveToOuterDisposeScope();
    }

    private static (object? Value, Dictionary<string, long> Offsets) ReadZip(FileStream stream)
    {
        Dictionary<string, StoredZip.Entry> entries = StoredZip.Read(stream);
        string[] pickles = [.. entries.Keys.Where(name => name.EndsWith("/data.pkl", StringComparison.Ordinal) && name.Count(letter => letter == '/') == 1)];
        if (pickles.Length != 1)
            throw new FormatException($"it is a zip archive with {pickles.Length} files NAME/data.pkl, expected 1");
        string archive = pickles[0][..^"data.pkl".Length];
        if (entries.ContainsKey(archive + "constants.pkl"))
            throw new FormatException("it is a TorchScript program, expected a state dict");
        if (entries.TryGetValue(archive + "byteorder", out StoredZip.Entry order)
            && Encoding.UTF8.GetString(StoredZip.ReadAt(stream, order.Offset, Math.Min(order.Length, 16))) is not "little" and var found)
            throw new FormatException($"its byte order is '{HostileText.Show(found)}', expected 'little'");

        StoredZip.Entry pickle = entries[pickles[0]];
        if (pickle.Length > RestrictedUnpickler.MaxLength)
            throw new FormatException($"its pickle has {pickle.Length} bytes, expected at most {RestrictedUnpickler.MaxLength}");
        RestrictedUnpickler unpickler = new(StoredZip.ReadAt(stream, pickle.Offset, pickle.Length));
        object? value = unpickler.Load();
        if (unpickler.Position != pickle.Length)
            throw new FormatException($"its pickle ends at byte {unpickler.Position} of {pickle.Length}");

        Dictionary<string, long> offsets = [];
        foreach (PickledStorage storage in unpickler.Storages.Values)
        {
            string name = $"{archive}data/{storage.Key}";
            if (!entries.TryGetValue(name, out StoredZip.Entry entry))
                throw new FormatException($"its pickle needs '{HostileText.Show(name)}', which is not there");
            if (entry.Length != storage.Bytes)
                throw new FormatException($"'{HostileText.Show(name)}' has {entry.Length} bytes, expected {storage.Bytes} for {storage.Count} {storage.Type.Name}");
            offsets.Add(storage.Key, entry.Offset);
        }
        return (value, offsets);
    }

    private static (object? Value, Dictionary<string, long> Offsets) ReadLegacy(FileStream stream)
    {
        // How long the pickles are is known only when they are read.
        int length = (int)Math.Min(stream.Length, RestrictedUnpickler.MaxLength);
        RestrictedUnpickler unpickler = new(StoredZip.ReadAt(stream, 0, length), isPrefix: length < stream.Length);
        if (unpickler.Load() is not Int128 magic || magic != magicNumber)
            throw new FormatException("it begins neither as a zip archive nor with torch.save's magic number");
        if (unpickler.Load() is not LegacyProtocol and var protocol)
            throw new FormatException($"its protocol is {RestrictedUnpickler.Describe(protocol)}, expected {LegacyProtocol}");
        if (unpickler.Load() is not PickledDictionary system || system.Find("little_endian") is not true)
            throw new FormatException("it does not say that it is little endian, as PyTorch does on any common machine");
        object? value = unpickler.Load();
        object? keys = unpickler.Load();
        return (value, LegacyStorages(stream, unpickler.Position, unpickler.Storages, keys));
    }

    /// <summary>The storages follow in the order of their keys: each its count as 8 bytes, then its elements.</summary>
    private static Dictionary<string, long> LegacyStorages(FileStream stream, long position, IReadOnlyDictionary<string, PickledStorage> storages, object? keys)
    {
        Dictionary<string, long> offsets = [];
        foreach (object? item in keys is PickledList list ? list.Items : throw new FormatException("its list of storages is not there"))
        {
            if (item is not string key || !storages.TryGetValue(key, out PickledStorage? storage))
                throw new FormatException($"its list of storages has {RestrictedUnpickler.Describe(item)}, which no tensor uses");
            long count = BinaryPrimitives.ReadInt64LittleEndian(StoredZip.ReadAt(stream, position, 8));
            position += 8;
            if (count != storage.Count)
                throw new FormatException($"the storage '{HostileText.Show(key)}' has {count} elements, its pickle says {storage.Count}");
            if (storage.Bytes > stream.Length - position)
                throw new FormatException($"the storage '{HostileText.Show(key)}' claims {storage.Bytes} bytes at byte {position}, the file has {stream.Length}");
            if (!offsets.TryAdd(key, position))
                throw new FormatException($"the storage '{HostileText.Show(key)}' stands there twice");
            position += storage.Bytes;
        }
        if (storages.Keys.FirstOrDefault(key => !offsets.ContainsKey(key)) is string missing)
            throw new FormatException($"the storage '{HostileText.Show(missing)}' is not in its list of storages");
        if (position != stream.Length)
            throw new FormatException($"its storages end at byte {position}, the file has {stream.Length}");
        return offsets;
    }

    private static Dictionary<string, PickledTensor> StateDict(object? value, long fileLength)
    {
        if (value is not PickledDictionary dictionary)
            throw new FormatException($"it holds {RestrictedUnpickler.Describe(value)}, expected a dict from names to tensors (a model's state_dict())");
        Dictionary<string, PickledTensor> tensors = [];
        Int128 total = 0;
        foreach ((object? key, object? item) in dictionary.Items)
        {
            if (key is not string name)
                throw new FormatException($"it has {RestrictedUnpickler.Describe(key)} where the name of a tensor is expected");
            if (item is PickledDictionary)
                throw new FormatException($"'{HostileText.Show(name)}' is a dict, expected a tensor: this is not a model's state_dict() but something around it; save that alone");
            if (item is not PickledTensor tensor)
                throw new FormatException($"'{HostileText.Show(name)}' is {RestrictedUnpickler.Describe(item)}, expected a tensor");
            if (!tensors.TryAdd(name, tensor))
                throw new FormatException($"'{HostileText.Show(name)}' stands there twice");
            total += tensor.Bytes;
        }
        if (total > ((Int128)fileLength * MaxGrowth) + MaxExtraBytes)
            throw new FormatException($"its tensors would have {total} bytes, far more than the {fileLength} of the file");
        return tensors;
    }
}
