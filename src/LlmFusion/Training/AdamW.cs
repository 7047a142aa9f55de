using LlmFusion.Transformers.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LlmFusion.Training;

/// <summary>Parameters that are optimised alike.</summary>
/// <param name="Parameters">Named parameters; the names are the keys of the optimiser's saved state.</param>
/// <param name="WeightDecay">Decoupled weight decay: each step multiplies a parameter by 1 - rate * decay.</param>
/// <param name="RateFactor">By what the run's learning rate is multiplied for these parameters.</param>
public sealed record ParameterGroup(IReadOnlyList<(string Name, Parameter Value)> Parameters, double WeightDecay = 0.01, double RateFactor = 1);

/// <summary>
/// AdamW (Loshchilov and Hutter, 2019), step for step as <c>torch.optim.AdamW</c>: decoupled weight decay, bias correction
/// on; a parameter without a gradient is left alone and holds no state.
/// </summary>
public sealed class AdamW : IDisposable
{
    private readonly ParameterGroup[] _groups;
    private readonly Dictionary<string, Moments> _moments = [];
    private readonly double _beta1, _beta2, _epsilon;

    /// <param name="groups">What is optimised; no name stands in two groups.</param>
    /// <param name="beta1">Decay of the mean of gradients.</param>
    /// <param name="beta2">Decay of the mean of squared gradients.</param>
    /// <param name="epsilon">Added to the denominator.</param>
    public AdamW(IEnumerable<ParameterGroup> groups, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8)
    {
        _groups = [.. groups];
        (_beta1, _beta2, _epsilon) = (beta1, beta2, epsilon);
    }

    /// <summary>What is optimised.</summary>
    public IReadOnlyList<ParameterGroup> Groups => _groups;

    private IEnumerable<(string Name, Parameter Value)> Parameters => _groups.SelectMany(g => g.Parameters);

    /// <summary>Euclidean norm of all gradients together; 0 where there is none.</summary>
    public double GradientNorm()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] gradients = [.. Parameters.Select(p => p.Value.grad).OfType<Tensor>()];
        return Math.Sqrt(gradients.Sum(SquaredNorm.Of));
    }

    /// <summary>Updates every parameter that has a gradient.</summary>
    /// <param name="learningRate">The step's learning rate.</param>
    /// <param name="gradientScale">By what gradients are multiplied on the way: less than 1 clips them, 1 / n averages n sums.</param>
    public void Step(double learningRate, double gradientScale = 1)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        List<AdamWUpdate> updates = [];
        foreach (ParameterGroup group in _groups)
            foreach ((string name, Parameter parameter) in group.Parameters)
            {
                if (parameter.grad is not { } gradient) continue;
                if (!_moments.TryGetValue(name, out Moments? moments))
                    _moments[name] = moments = new Moments(zeros_like(parameter).DetachFromDisposeScope(), zeros_like(parameter).DetachFromDisposeScope());
                moments.Steps++;
                double rate = learningRate * group.RateFactor;
                double correction1 = 1 - Math.Pow(_beta1, moments.Steps), correction2 = 1 - Math.Pow(_beta2, moments.Steps);
                updates.Add(new AdamWUpdate(parameter, gradient, moments.Mean, moments.Square, gradientScale, 1 - rate * group.WeightDecay, _beta1, _beta2, rate / correction1, Math.Sqrt(correction2), _epsilon));
            }

        AdamWUpdate.Apply(updates);
    }

    /// <summary>The state as tensors: <c>NAME.mean</c>, <c>NAME.square</c> and <c>NAME.steps</c>. They stay this object's.</summary>
    public IReadOnlyDictionary<string, Tensor> State()
    {
        Dictionary<string, Tensor> state = [];
        foreach ((string name, Moments moments) in _moments)
        {
            state[name + ".mean"] = moments.Mean;
            state[name + ".square"] = moments.Square;
            state[name + ".steps"] = tensor(new[] { moments.Steps });
        }

        return state;
    }

    /// <summary>Takes over what <see cref="State"/> gave.</summary>
    /// <exception cref="InvalidDataException">The state is not that of these parameters.</exception>
    public void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        foreach ((string name, Parameter parameter) in Parameters)
        {
            if (!state.TryGetValue(name + ".mean", out Tensor? mean)) continue;
            if (!state.TryGetValue(name + ".square", out Tensor? square) || !state.TryGetValue(name + ".steps", out Tensor? steps))
                throw new InvalidDataException($"optimiser state of {name} is incomplete");
            if (!mean.shape.SequenceEqual(parameter.shape) || !square.shape.SequenceEqual(parameter.shape))
                throw new InvalidDataException($"optimiser state of {name}: got shape [{string.Join(", ", mean.shape)}], expected [{string.Join(", ", parameter.shape)}]");
            if (_moments.Remove(name, out Moments? old)) old.Dispose();
            _moments[name] = new Moments(Own(mean, parameter), Own(square, parameter)) { Steps = steps.cpu().data<long>()[0] };
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Moments moments in _moments.Values) moments.Dispose();
        _moments.Clear();
    }

    private static Tensor Own(Tensor saved, Tensor parameter) => saved.to(parameter.device, copy: true).DetachFromDisposeScope();

    private sealed class Moments(Tensor mean, Tensor square) : IDisposable
    {
        public Tensor Mean => mean;

        public Tensor Square => square;

        public long Steps { get; set; }

        public void Dispose()
        {
            mean.Dispose();
            square.Dispose();
        }
    }
}
