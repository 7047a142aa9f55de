using System.Buffers.Binary;
using System.Text;
using static TorchSharp.torch;

namespace LlmFusion.Transformers;

/// <summary>
/// Reads the pickles in PyTorch's files without running anything: a stack machine for the opcodes that torch.save
/// writes (Python's Lib/pickletools.py describes them), which knows the few globals that build tensors by name and
/// refuses every other opcode and global. Tensors come out as descriptions (<see cref="PickledTensor"/>).
/// </summary>
/// <remarks>
/// Nothing here calls itself, and no opcode costs more than a fixed amount of memory, a copy of the bytes it stands in,
/// or the stack that earlier ones have filled: memory stays below <see cref="MemoryFactor"/> times the pickle.
/// Values are null, bool, long, Int128, double, string, object?[] (a tuple), <see cref="PickledList"/>,
/// <see cref="PickledDictionary"/>, <see cref="PickledView"/>, <see cref="PickledTensor"/> and allowed globals.
/// </remarks>
internal sealed class RestrictedUnpickler
{
    /// <summary>The longest pickle, in bytes: some 60,000 tensors.</summary>
    public const int MaxLength = 1 << 24;

    /// <summary>How many bytes of memory a byte of a pickle can cost.</summary>
    public const int MemoryFactor = 80;

    private const int MaxKeyLength = 64;

    private const string WayOut = "load it in a Python that you trust, and save the weights as safetensors";

    private enum Constructor
    {
        OrderedDictionary,
        Size,
        Tensor,
        TensorWithHooks,
        Parameter,
    }

    private static readonly Dictionary<string, object> globals = new()
    {
        ["collections.OrderedDict"] = Constructor.OrderedDictionary,
        ["torch.Size"] = Constructor.Size,
        ["torch._utils._rebuild_tensor"] = Constructor.Tensor,
        ["torch._utils._rebuild_tensor_v2"] = Constructor.TensorWithHooks,
        ["torch._utils._rebuild_parameter"] = Constructor.Parameter,
        ["torch.DoubleStorage"] = new PickledType("torch.DoubleStorage", ScalarType.Float64, 8),
        ["torch.FloatStorage"] = new PickledType("torch.FloatStorage", ScalarType.Float32, 4),
        ["torch.HalfStorage"] = new PickledType("torch.HalfStorage", ScalarType.Float16, 2),
        ["torch.BFloat16Storage"] = new PickledType("torch.BFloat16Storage", ScalarType.BFloat16, 2),
        ["torch.LongStorage"] = new PickledType("torch.LongStorage", ScalarType.Int64, 8),
        ["torch.IntStorage"] = new PickledType("torch.IntStorage", ScalarType.Int32, 4),
        ["torch.ShortStorage"] = new PickledType("torch.ShortStorage", ScalarType.Int16, 2),
        ["torch.CharStorage"] = new PickledType("torch.CharStorage", ScalarType.Int8, 1),
        ["torch.ByteStorage"] = new PickledType("torch.ByteStorage", ScalarType.Byte, 1),
        ["torch.BoolStorage"] = new PickledType("torch.BoolStorage", ScalarType.Bool, 1),
    };

    private static readonly object unset = new();
    private static readonly object?[] emptyTuple = [];
    private static readonly object[] smallNumbers = [.. Enumerable.Range(0, 256).Select(number => (object)(long)number)];
    private static readonly object yes = true, no = false;
    private static readonly UTF8Encoding strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly byte[] bytes;
    private readonly bool isPrefix;
    private readonly List<object?> stack = [];
    private readonly List<int> marks = [];
    private readonly List<object?> memo = [];
    private readonly Dictionary<string, PickledStorage> storages = [];

    /// <param name="bytes">Holds the pickles, one after another.</param>
    /// <param name="isPrefix">The file goes on where the bytes end.</param>
    public RestrictedUnpickler(byte[] bytes, bool isPrefix = false)
    {
        this.bytes = bytes;
        this.isPrefix = isPrefix;
    }

    /// <summary>Where the next pickle begins.</summary>
    public int Position { get; private set; }

    /// <summary>Every storage that was referred to, by key.</summary>
    public IReadOnlyDictionary<string, PickledStorage> Storages => storages;

    /// <summary>Reads one pickle.</summary>
    /// <exception cref="FormatException">It is damaged, hostile, or holds what a state dict does not need.</exception>
    public object? Load()
    {
        stack.Clear();
        marks.Clear();
        memo.Clear();
        while (true)
        {
            int at = Position;
            switch (Byte())
            {
                case 0x80: // PROTO
                    if (Byte() is > 5 and var protocol)
                        throw Broken(at, $"pickle protocol {protocol}, expected at most 5");
                    break;
                case 0x95: // FRAME
                    Take(8);
                    break;
                case (byte)'.': // STOP
                    object? loaded = Pop();
                    return stack.Count == 0 && marks.Count == 0 ? loaded : throw Broken(at, "an end that leaves other values behind");
                case (byte)'(': // MARK
                    marks.Add(stack.Count);
                    break;
                case (byte)'N':
                    stack.Add(null);
                    break;
                case 0x88:
                    stack.Add(yes);
                    break;
                case 0x89:
                    stack.Add(no);
                    break;
                case (byte)'K': // BININT1
                    stack.Add(smallNumbers[Byte()]);
                    break;
                case (byte)'M': // BININT2
                    stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
                    break;
                case (byte)'J': // BININT
                    stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                    break;
                case 0x8a: // LONG1
                    stack.Add(Integer(at, Byte()));
                    break;
                case 0x8b: // LONG4
                    stack.Add(Integer(at, BinaryPrimitives.ReadInt32LittleEndian(Take(4))));
                    break;
                case (byte)'G': // BINFLOAT
                    stack.Add(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
                    break;
                case (byte)'U': // SHORT_BINSTRING, as Python 2 wrote
                case 0x8c: // SHORT_BINUNICODE
                    stack.Add(Text(Byte()));
                    break;
                case (byte)'X': // BINUNICODE
                    stack.Add(Text(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
                    break;
                case 0x8d: // BINUNICODE8
                    stack.Add(Text(BinaryPrimitives.ReadUInt64LittleEndian(Take(8))));
                    break;
                case (byte)')':
                    stack.Add(emptyTuple);
                    break;
                case 0x85 or 0x86 or 0x87: // TUPLE1 to TUPLE3
                    stack.Add(PopLast(bytes[at] - 0x84));
                    break;
                case (byte)'t': // TUPLE
                    stack.Add(PopToMark());
                    break;
                case (byte)']':
                    stack.Add(new PickledList());
                    break;
                case (byte)'a': // APPEND
                    object? item = Pop();
                    Top<PickledList>(at, "a list").Add(item);
                    break;
                case (byte)'e': // APPENDS
                    object?[] items = PopToMark();
                    Top<PickledList>(at, "a list").AddRange(items);
                    break;
                case (byte)'}':
                    stack.Add(new PickledDictionary());
                    break;
                case (byte)'s': // SETITEM
                    object?[] pair = PopLast(2);
                    Top<PickledDictionary>(at, "a dict").Add(pair[0], pair[1]);
                    break;
                case (byte)'u': // SETITEMS
                    object?[] pairs = PopToMark();
                    if (pairs.Length % 2 != 0)
                        throw Broken(at, "a key without a value");
                    PickledDictionary dictionary = Top<PickledDictionary>(at, "a dict");
                    for (int key = 0; key < pairs.Length; key += 2)
                        dictionary.Add(pairs[key], pairs[key + 1]);
                    break;
                case (byte)'q': // BINPUT
                    Memorize(Byte());
                    break;
                case (byte)'r': // LONG_BINPUT
                    Memorize(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)));
                    break;
                case 0x94: // MEMOIZE
                    Memorize(memo.Count);
                    break;
                case (byte)'h': // BINGET
                    stack.Add(Recall(at, Byte()));
                    break;
                case (byte)'j': // LONG_BINGET
                    stack.Add(Recall(at, BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
                    break;
                case (byte)'c': // GLOBAL
                    string module = Line();
                    stack.Add(Global(module, Line()));
                    break;
                case 0x93: // STACK_GLOBAL
                    object?[] names = PopLast(2);
                    stack.Add(names is [string from, string name] ? Global(from, name) : throw Broken(at, "a global whose name is no text"));
                    break;
                case (byte)'R': // REDUCE
                    object?[] call = PopLast(2);
                    stack.Add(Call(at, call[0], call[1]));
                    break;
                case (byte)'b': // BUILD
                    // An attribute of a state dict is _metadata: versions of modules, which no tensor depends on.
                    if (Pop() is not PickledDictionary)
                        throw Broken(at, "attributes that are not a dict");
                    Top<PickledDictionary>(at, "a dict to give attributes to");
                    break;
                case (byte)'Q': // BINPERSID
                    stack.Add(Storage(at, Pop()));
                    break;
                case var opcode:
                    throw Broken(at, $"the opcode 0x{opcode:x2}, which no state dict needs; {WayOut}");
            }
        }
    }

    /// <summary>What a value is, in Python's words, for messages.</summary>
    public static string Describe(object? value) => value switch
    {
        null => "None",
        bool flag => flag ? "True" : "False",
        long or Int128 or double => $"the number {value}",
        string text => $"the text '{HostileText.Show(text)}'",
        object[] => "a tuple",
        PickledList => "a list",
        PickledDictionary => "a dict",
        PickledView => "a storage",
        PickledTensor => "a tensor",
        _ => "a global",
    };

    private static object Global(string module, string name) => globals.GetValueOrDefault($"{module}.{name}")
        ?? throw new FormatException($"its pickle asks for the global {HostileText.Show($"{module}.{name}")}, which no tensor needs: "
            + $"nothing in it was run, and it may be an attack; if you trust it, {WayOut}");

    private static object? Call(int at, object? function, object? arguments)
    {
        switch (function, arguments)
        {
            case (Constructor.OrderedDictionary, object[] { Length: 0 }):
                return new PickledDictionary();
            case (Constructor.Size, object[] and [object[] size]):
                return size;
            case (Constructor.Tensor, object[] and [PickledView view, long offset, object[] shape, object[] strides]):
                return new PickledTensor(view, offset, Numbers(at, shape), Numbers(at, strides));
            case (Constructor.TensorWithHooks, object[] and [PickledView view, long offset, object[] shape, object[] strides, bool, null or PickledDictionary]):
                return new PickledTensor(view, offset, Numbers(at, shape), Numbers(at, strides));
            case (Constructor.TensorWithHooks, object[] and [PickledView, long, object[], object[], bool, null or PickledDictionary, _]):
                throw Broken(at, "a tensor with metadata (conjugated or negated), which is not implemented");
            case (Constructor.Parameter, object[] and [PickledTensor tensor, bool, null or PickledDictionary]):
                return tensor;
            case (Constructor or PickledType, _):
                throw Broken(at, $"a call of {globals.First(known => known.Value.Equals(function)).Key} with other arguments than torch gives it");
            default:
                throw Broken(at, $"a call of {Describe(function)}, which is no function");
        }
    }

    /// <summary>('storage', type, key, device, count) or, in old files, with None or (key, offset, count) of a view after it.</summary>
    private PickledView Storage(int at, object? id)
    {
        if (id is not object[] { Length: 5 or 6 } items
            || items is not ["storage", PickledType type, string key, string, long and >= 0 and var count, ..])
            throw Broken(at, "a persistent id that is no storage");
        // Looked up each time it is named again, at three bytes: it must be short.
        if (key.Length > MaxKeyLength)
            throw Broken(at, $"a storage whose key has {key.Length} characters, expected at most {MaxKeyLength}");
        if (!storages.TryGetValue(key, out PickledStorage? storage))
        {
            if ((Int128)count * type.Size > long.MaxValue)
                throw Broken(at, $"a storage '{HostileText.Show(key)}' of {count} elements");
            storages.Add(key, storage = new PickledStorage(key, type, count));
        }
        else if (storage.Type != type || storage.Count != count)
        {
            throw Broken(at, $"the storage '{HostileText.Show(key)}' of {count} {type.Name}, elsewhere of {storage.Count} {storage.Type.Name}");
        }
        return items.ElementAtOrDefault(5) switch
        {
            null => new PickledView(storage, 0, count),
            object[] view when view is [string, long and >= 0 and var first, long and >= 0 and var length] && first <= count - length
                => new PickledView(storage, first, length),
            _ => throw Broken(at, $"a view outside the storage '{HostileText.Show(key)}' of {count} elements"),
        };
    }

    private static long[] Numbers(int at, object?[] tuple)
    {
        // Before they are copied: a tuple can be used again by few bytes.
        if (tuple.Length > WeightsFile.MaxDimensions)
            throw Broken(at, $"a tensor of {tuple.Length} dimensions, expected at most {WeightsFile.MaxDimensions}");
        long[] numbers = new long[tuple.Length];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = tuple[i] is long number ? number : throw Broken(at, "a shape or strides that are not integers of 64 bits");
        return numbers;
    }

    private object Integer(int at, int length)
    {
        if (length is < 0 or > 16)
            throw Broken(at, $"an integer of {length} bytes, expected at most 16");
        ReadOnlySpan<byte> digits = Take((ulong)length);
        Int128 number = length > 0 && digits[^1] > 127 ? -1 : 0;
        for (int place = length - 1; place >= 0; place--)
            number = (number << 8) | digits[place];
        return number >= long.MinValue && number <= long.MaxValue ? (object)(long)number : number;
    }

    private string Text(ulong length)
    {
        int at = Position;
        try
        {
            return strictUtf8.GetString(Take(length));
        }
        catch (ArgumentException)
        {
            throw Broken(at, "a text that is not UTF-8");
        }
    }

    private string Line()
    {
        int length = bytes.AsSpan(Position).IndexOf((byte)'\n');
        if (length < 0)
            throw Truncated();
        string text = Text((ulong)length);
        Position++;
        return text;
    }

    private byte Byte() => Position < bytes.Length ? bytes[Position++] : throw Truncated();

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)(bytes.Length - Position))
            throw Truncated();
        ReadOnlySpan<byte> taken = bytes.AsSpan(Position, (int)length);
        Position += (int)length;
        return taken;
    }

    private void Memorize(long index)
    {
        if (stack.Count <= Floor)
            throw Broken(Position, "nothing on the stack to remember");
        // Picklers number from 0 or 1 on, at two bytes each or more: a higher number would only cost memory.
        if (index > Position)
            throw Broken(Position, $"memo {index} set, where there cannot be that many");
        while (memo.Count <= index)
            memo.Add(unset);
        memo[(int)index] = stack[^1];
    }

    private object? Recall(int at, long index) => index < memo.Count && memo[(int)index] is var value && value != unset
        ? value
        : throw Broken(at, $"memo {index}, which was never set");

    /// <summary>What an opcode may take from the stack ends at the last mark.</summary>
    private int Floor => marks.Count > 0 ? marks[^1] : 0;

    private object? Pop()
    {
        if (stack.Count <= Floor)
            throw Broken(Position, "an opcode for which the stack is too short");
        object? value = stack[^1];
        stack.RemoveAt(stack.Count - 1);
        return value;
    }

    private object?[] PopLast(int count)
    {
        if (stack.Count - count < Floor)
            throw Broken(Position, "an opcode for which the stack is too short");
        object?[] values = new object?[count];
        stack.CopyTo(stack.Count - count, values, 0, count);
        stack.RemoveRange(stack.Count - count, count);
        return values;
    }

    private object?[] PopToMark()
    {
        if (marks.Count == 0)
            throw Broken(Position, "an opcode that needs a mark, and there is none");
        object?[] values = PopLast(stack.Count - marks[^1]);
        marks.RemoveAt(marks.Count - 1);
        return values;
    }

    private T Top<T>(int at, string expected) where T : class =>
        stack.Count > Floor && stack[^1] is T value ? value : throw Broken(at, $"an opcode that needs {expected} before it");

    private FormatException Truncated() => isPrefix
        ? new FormatException($"its pickle goes on after {bytes.Length} bytes, which is the limit")
        : new FormatException($"its pickle ends at byte {bytes.Length}, before it is complete");

    private static FormatException Broken(int at, string what) => new($"its pickle has, at byte {at}, {what}");
}

/// <summary>A list in a pickle.</summary>
internal sealed class PickledList
{
    // An empty one is one byte of a pickle: it must not cost much more here.
    private List<object?>? items;

    public IReadOnlyList<object?> Items => items ?? [];

    public void Add(object? item) => (items ??= new List<object?>(1)).Add(item);

    public void AddRange(object?[] added)
    {
        if (added.Length > 0)
            (items ??= []).AddRange(added);
    }
}

/// <summary>A dict in a pickle, as it was filled: a key can stand there twice.</summary>
internal sealed class PickledDictionary
{
    private List<KeyValuePair<object?, object?>>? items;

    public IReadOnlyList<KeyValuePair<object?, object?>> Items => items ?? [];

    public void Add(object? key, object? value) => (items ??= new List<KeyValuePair<object?, object?>>(1)).Add(new(key, value));

    /// <summary>The value of a key, for dicts with few of them.</summary>
    public object? Find(string key) => Items.LastOrDefault(item => item.Key is string text && text == key).Value;
}
