using System.Diagnostics;
using System.Runtime.InteropServices;
using LlmFusion.Transformers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LlmFusion.Distributed;

/// <summary>
/// Adds up gradients over all ranks, in buckets from the last parameters to the first. A bucket that is a block of the language
/// model is under way as soon as the backward pass has left the block; one thread does all the sums, in the same order on every rank.
/// </summary>
public sealed class GradientSync : IDisposable
{
    /// <summary>Bytes of a bucket of parameters outside the blocks: large enough for a network's full rate.</summary>
    private const long BucketBytes = 25_000_000;

    /// <summary>The variable that, set to <c>off</c>, lets sums begin after the backward pass only; where every core computes, that may be faster.</summary>
    public const string OverlapVariable = "LLMFUSION_MPI_OVERLAP";

    private static readonly bool overlaps = !string.Equals(Environment.GetEnvironmentVariable(OverlapVariable), "off", StringComparison.OrdinalIgnoreCase);

    private readonly ProcessGroup _group;
    private readonly List<Bucket> _buckets = [];
    private readonly Dictionary<nn.Module, int> _afterBlock = [];
    private readonly object _started = new();
    private int _next;
    private Task _sums = Task.CompletedTask;
    private Exception? _failure;

    /// <param name="group">Who trains.</param>
    /// <param name="parameters">Everything that is trained, in the same order on every rank.</param>
    /// <param name="blocks">The language model's blocks, first to last.</param>
    public GradientSync(ProcessGroup group, IEnumerable<Parameter> parameters, IReadOnlyList<nn.Module> blocks)
    {
        _group = group;
        if (group.Size == 1) return;
        Parameter[] trained = [.. parameters.Where(p => p.requires_grad)];
        HashSet<Parameter> left = new(trained, ReferenceEqualityComparer.Instance);
        foreach (nn.Module block in blocks.Reverse())
        {
            Parameter[] own = [.. block.parameters().Where(left.Remove).Reverse()];
            if (own.Length == 0) continue;
            _buckets.Add(new Bucket(own));
            _afterBlock[block] = _buckets.Count;
        }

        List<Parameter> others = [];
        foreach (Parameter parameter in trained.Where(left.Contains).Reverse())
        {
            others.Add(parameter);
            if (others.Sum(p => p.numel()) * sizeof(float) < BucketBytes) continue;
            _buckets.Add(new Bucket(others));
            others = [];
        }

        if (others.Count > 0) _buckets.Add(new Bucket(others));
    }

    /// <summary>Marks the forward pass whose backward pass completes the gradients.</summary>
    public IDisposable? Watch() => _group.Size == 1 || !overlaps ? null : BackwardProgress.Observe(block =>
    {
        if (!_afterBlock.TryGetValue(block, out int count)) return;
        try
        {
            Start(count);
        }
        catch (Exception e)
        {
            _failure = e; // no exception may cross libtorch
        }
    });

    /// <summary>
    /// After the backward pass: every parameter's gradient becomes the sum over all ranks, that of a rank without one being zero; a
    /// parameter for which no rank has one stays without.
    /// </summary>
    /// <exception cref="MpiException">A sum failed.</exception>
    public void Finish()
    {
        if (_group.Size == 1) return;
        if (_failure is not null) throw _failure;
        Start(_buckets.Count);
        long start = Stopwatch.GetTimestamp();
        _sums.GetAwaiter().GetResult();
        _group.SecondsInSums += Stopwatch.GetElapsedTime(start).TotalSeconds;
        _next = 0;
        foreach (Bucket bucket in _buckets) bucket.Return();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_sums.IsCompleted) return; // a failed step: MPI still writes there, and the job is about to be ended
        foreach (Bucket bucket in _buckets) bucket.Dispose();
    }

    /// <summary>Begins the sums of the first <paramref name="count"/> buckets, as far as they have not begun.</summary>
    private void Start(int count)
    {
        lock (_started)
        {
            for (; _next < count; _next++)
            {
                Bucket bucket = _buckets[_next];
                bucket.Take();
                _sums = _sums.ContinueWith(before =>
                {
                    before.GetAwaiter().GetResult();
                    bucket.Sum();
                }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    /// <summary>Gradients that travel together, in host memory: one value after the other, then for each parameter how many ranks have a gradient.</summary>
    private sealed class Bucket : IDisposable
    {
        private const int Alignment = 16; // floats: a cache line, so that the optimiser's vectors do not straddle two

        private readonly Parameter[] _parameters;
        private readonly Tensor _values;
        private readonly Tensor[] _slots;

        public Bucket(IEnumerable<Parameter> parameters)
        {
            _parameters = [.. parameters];
            long[] lengths = [.. _parameters.Select(p => (p.numel() + Alignment - 1) / Alignment * Alignment)];
            _values = zeros(lengths.Sum() + _parameters.Length).DetachFromDisposeScope();
            _slots = new Tensor[_parameters.Length];
            long at = 0;
            for (int i = 0; i < _parameters.Length; at += lengths[i++])
                _slots[i] = _values.narrow(0, at, _parameters[i].numel()).view(_parameters[i].shape).DetachFromDisposeScope();
        }

        private Span<float> Values => MemoryMarshal.Cast<byte, float>(_values.bytes);

        private Span<float> Owners => Values[^_parameters.Length..];

        /// <summary>Copies the gradients here, and frees them.</summary>
        public void Take()
        {
            using IDisposable noGrad = no_grad();
            for (int i = 0; i < _parameters.Length; i++)
            {
                using Tensor? gradient = _parameters[i].grad;
                Owners[i] = gradient is null ? 0 : 1;
                if (gradient is null) _slots[i].zero_();
                else _slots[i].copy_(gradient);
                _parameters[i].grad = null;
            }
        }

        public void Sum() => MpiNative.Sum(Values);

        /// <summary>Gives the sums to the parameters, which share this memory until the next step where they lie in host memory.</summary>
        public void Return()
        {
            using DisposeScope scope = NewDisposeScope();
            for (int i = 0; i < _parameters.Length; i++)
                if (Owners[i] > 0) _parameters[i].grad = _slots[i].to(_parameters[i].device);
        }

        public void Dispose()
        {
            foreach (Tensor slot in _slots) slot.Dispose();
            _values.Dispose();
        }
    }
}
