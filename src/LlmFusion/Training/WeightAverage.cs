using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>
/// A running average of the trained weights (EMA), which is what is validated and saved.
/// <code>
/// average = d average + (1 - d) weight        d = min(decay, (1 + n) / (10 + n)) after n steps
/// </code>
/// The smaller d of the first steps lets the average forget the weights that training began with.
/// </summary>
public sealed class WeightAverage : IDisposable
{
    private const string StepsName = "steps";

    private readonly (string Name, Parameter Value)[] _parameters;
    private readonly Dictionary<string, Tensor> _averages = [];
    private readonly double _decay;
    private long _steps;

    /// <param name="parameters">What is trained; what stays as it is needs no average.</param>
    /// <param name="decay">Between 0 and 1.</param>
    public WeightAverage(IEnumerable<(string Name, Parameter Value)> parameters, double decay)
    {
        _parameters = [.. parameters];
        _decay = decay;
    }

    /// <summary>Takes a step's weights into account.</summary>
    public void Update()
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope(); // of what in-place operations return
        double decay = Math.Min(_decay, (1.0 + _steps) / (10 + _steps));
        _steps++;
        foreach ((string name, Parameter value) in _parameters)
        {
            if (_averages.TryGetValue(name, out Tensor? average)) average.lerp_(value, 1 - decay);
            else _averages[name] = value.clone().DetachFromDisposeScope();
        }
    }

    /// <summary>Puts the averages in the weights' place until it is disposed; nothing before the first step.</summary>
    public IDisposable Use() => new Scope(this);

    /// <summary>A network's tensors by name, the averages in the place of the weights. All stay their owners'.</summary>
    public Dictionary<string, Tensor> Over(IReadOnlyDictionary<string, Tensor> weights) => weights.ToDictionary(w => w.Key, w => _averages.GetValueOrDefault(w.Key, w.Value));

    /// <summary>The state as tensors: <c>NAME</c> and <c>steps</c>. They stay this object's, but for the last.</summary>
    public IReadOnlyDictionary<string, Tensor> State() => new Dictionary<string, Tensor>(_averages) { [StepsName] = tensor(new[] { _steps }) };

    /// <summary>Takes over what <see cref="State"/> gave.</summary>
    /// <exception cref="InvalidDataException">The state is not that of these weights.</exception>
    public void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        if (!state.TryGetValue(StepsName, out Tensor? steps)) throw new InvalidDataException("average of the weights: no state, expected one; the run began without --ema-decay");
        _steps = steps.cpu().data<long>()[0];
        Clear();
        if (_steps == 0) return;
        foreach ((string name, Parameter value) in _parameters)
        {
            if (!state.TryGetValue(name, out Tensor? saved) || !saved.shape.SequenceEqual(value.shape))
                throw new InvalidDataException($"average of {name}: got {(saved is null ? "nothing" : $"shape [{string.Join(", ", saved.shape)}]")}, expected [{string.Join(", ", value.shape)}]");
            _averages[name] = saved.to(value.device, copy: true).DetachFromDisposeScope();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    private void Clear()
    {
        foreach (Tensor average in _averages.Values) average.Dispose();
        _averages.Clear();
    }

    private sealed class Scope : IDisposable
    {
        private readonly WeightAverage _of;
        private readonly List<Tensor> _weights = [];

        public Scope(WeightAverage of)
        {
            _of = of;
            if (of._averages.Count == 0) return;
            using IDisposable noGrad = no_grad();
            using DisposeScope scope = NewDisposeScope(); // of what in-place operations return
            foreach ((string name, Parameter value) in of._parameters)
            {
                _weights.Add(value.clone().DetachFromDisposeScope());
                value.copy_(of._averages[name]);
            }
        }

        public void Dispose()
        {
            using IDisposable noGrad = no_grad();
            using DisposeScope scope = NewDisposeScope(); // of what in-place operations return
            foreach (((_, Parameter value), Tensor weight) in _of._parameters.Zip(_weights))
            {
                value.copy_(weight);
                weight.Dispose();
            }

            _weights.Clear();
        }
    }
}
