namespace LlmFusion.Distributed;

/// <summary>What the environment says of the launcher that started this process as one of several (mpirun, srun).</summary>
/// <param name="Launcher">Its name, for messages.</param>
/// <param name="Rank">This process's number, from 0.</param>
/// <param name="Size">How many processes it started; at least 2.</param>
public sealed record Launch(string Launcher, int Rank, int Size)
{
    /// <summary>The variable that, set to <c>off</c>, makes each process a run of its own.</summary>
    public const string SwitchVariable = "LLMFUSION_MPI";

    /// <summary>The launch of this process; null where it was started alone. Nothing of MPI is touched to find out.</summary>
    public static Launch? Current { get; } = From(Environment.GetEnvironmentVariable);

    /// <summary>Reads an environment.</summary>
    /// <param name="variable">The value of a variable, null where it is not set.</param>
    public static Launch? From(Func<string, string?> variable)
    {
        if (string.Equals(variable(SwitchVariable), "off", StringComparison.OrdinalIgnoreCase)) return null;
        int? Number(string name) => int.TryParse(variable(name), out int value) && value >= 0 ? value : null;
        // Slurm's own variables stand in every job, also in a script that srun did not start: PMI's must be there as well.
        (string, int?, int?)[] known =
        [
            ("mpirun", Number("OMPI_COMM_WORLD_RANK"), Number("OMPI_COMM_WORLD_SIZE")),
            ("srun", Number("PMIX_RANK"), Number("SLURM_STEP_NUM_TASKS") ?? Number("SLURM_NTASKS")),
            ("srun", Number("PMI_RANK"), Number("SLURM_STEP_NUM_TASKS")),
            ("another MPI's mpiexec", Number("PMI_RANK"), Number("PMI_SIZE")),
        ];
        foreach ((string launcher, int? rank, int? size) in known)
            if (rank is { } r && size is { } s) return s > 1 ? new Launch(launcher, r, s) : null;
        return null;
    }
}
