using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LlmFusion.Fusion;

/// <summary>What the atoms of N molecules make of the C targets that are sums over atoms.</summary>
/// <param name="Sums">(N, C) in scaled units, any finite values for molecules without a graph.</param>
/// <param name="Given">(N, 1) bool: whether the molecule has a graph; null where all have.</param>
public sealed record AtomContributions(Tensor Sums, Tensor? Given);

/// <summary>
/// Each atom's contribution to the targets that are sums over atoms, from the atom's state alone: W_down GELU(W_up h_i + b_up), which is zero before training.
/// An MLP and not one linear map, because what an atom contributes may jump with its surroundings, as in Crippen's LogP and molar refractivity.
/// </summary>
internal sealed class AtomHead : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "up")]
    private readonly Linear up;
    [ComponentName(Name = "down")]
    private readonly Linear down;

    /// <summary>For states of H numbers and C targets.</summary>
    public AtomHead(int width, int targets) : base(nameof(AtomHead))
    {
        up = nn.Linear(width, width);
        down = nn.Linear(width, targets, hasBias: false); // the head's bias is the targets'
        nn.init.zeros_(down.weight);
        RegisterComponents();
    }

    /// <summary>Contributions (A, C) of atoms with the states (A, H).</summary>
    public override Tensor forward(Tensor states)
    {
        using DisposeScope scope = NewDisposeScope();
        return down.forward(nn.functional.gelu(up.forward(states))).MoveToOuterDisposeScope(); // (A, H) inside
    }
}
