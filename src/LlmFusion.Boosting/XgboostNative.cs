using System.Runtime.InteropServices;

namespace LlmFusion.Boosting;

/// <summary>Owns a DMatrix.</summary>
internal sealed class MatrixHandle : SafeHandle
{
    public MatrixHandle() : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => XgboostNative.FreeMatrix(handle) == 0;
}

/// <summary>Owns a Booster.</summary>
internal sealed class BoosterHandle : SafeHandle
{
    public BoosterHandle() : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => XgboostNative.FreeBooster(handle) == 0;
}

/// <summary>The functions of xgboost/c_api.h that are used. What comes out belongs to the library until the booster's next call, so it is copied at once, and no pointer leaves this file.</summary>
internal static unsafe partial class XgboostNative
{
    private const string Library = "libxgboost.so.0";

    [LibraryImport(Library, EntryPoint = "XGBGetLastError")]
    private static partial nint LastError();

    [LibraryImport(Library, EntryPoint = "XGBoostVersion")]
    public static partial void Version(out int major, out int minor, out int patch);

    [LibraryImport(Library, EntryPoint = "XGDMatrixCreateFromMat")]
    public static partial int CreateDense(ReadOnlySpan<float> values, ulong rows, ulong columns, float missing, out MatrixHandle matrix);

    [LibraryImport(Library, EntryPoint = "XGDMatrixCreateFromCSREx")]
    public static partial int CreateSparse(ReadOnlySpan<nuint> starts, ReadOnlySpan<uint> columns, ReadOnlySpan<float> values, nuint startCount, nuint valueCount, nuint width, out MatrixHandle matrix);

    [LibraryImport(Library, EntryPoint = "XGDMatrixSetFloatInfo", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetFloats(MatrixHandle matrix, string field, ReadOnlySpan<float> values, ulong count);

    [LibraryImport(Library, EntryPoint = "XGDMatrixFree")]
    public static partial int FreeMatrix(nint matrix);

    [LibraryImport(Library, EntryPoint = "XGBoosterCreate")]
    private static partial int CreateBooster(nint* matrices, ulong count, out BoosterHandle booster);

    [LibraryImport(Library, EntryPoint = "XGBoosterFree")]
    public static partial int FreeBooster(nint booster);

    [LibraryImport(Library, EntryPoint = "XGBoosterSetParam", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetParameter(BoosterHandle booster, string name, string value);

    [LibraryImport(Library, EntryPoint = "XGBoosterUpdateOneIter")]
    public static partial int Update(BoosterHandle booster, int round, MatrixHandle train);

    [LibraryImport(Library, EntryPoint = "XGBoosterEvalOneIter")]
    private static partial int Evaluate(BoosterHandle booster, int round, nint* matrices, nint* names, ulong count, out nint line);

    [LibraryImport(Library, EntryPoint = "XGBoosterPredictFromDMatrix", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Predict(BoosterHandle booster, MatrixHandle matrix, string config, out ulong* shape, out ulong dimensions, out float* values);

    [LibraryImport(Library, EntryPoint = "XGBoosterFeatureScore", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int FeatureScore(BoosterHandle booster, string config, out ulong features, out nint* names, out ulong dimensions, out ulong* shape, out float* scores);

    [LibraryImport(Library, EntryPoint = "XGBoosterSaveModelToBuffer", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Save(BoosterHandle booster, string config, out ulong length, out byte* bytes);

    [LibraryImport(Library, EntryPoint = "XGBoosterLoadModelFromBuffer")]
    public static partial int Load(BoosterHandle booster, ReadOnlySpan<byte> bytes, ulong length);

    [LibraryImport(Library, EntryPoint = "XGBoosterSetAttr", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetAttribute(BoosterHandle booster, string name, string value);

    [LibraryImport(Library, EntryPoint = "XGBoosterGetAttr", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int GetAttribute(BoosterHandle booster, string name, out nint value, out int found);

    [LibraryImport(Library, EntryPoint = "XGBoosterGetNumFeature")]
    public static partial int FeatureCount(BoosterHandle booster, out ulong features);

    [LibraryImport(Library, EntryPoint = "XGBoosterBoostedRounds")]
    public static partial int Rounds(BoosterHandle booster, out int rounds);

    /// <summary>A booster that knows the matrices it will be trained on and measured with.</summary>
    public static BoosterHandle CreateBooster(params ReadOnlySpan<MatrixHandle> matrices)
    {
        nint[] pointers = new nint[matrices.Length];
        for (int i = 0; i < pointers.Length; i++) pointers[i] = matrices[i].DangerousGetHandle();
        fixed (nint* first = pointers)
        {
            Check(CreateBooster(first, (ulong)pointers.Length, out BoosterHandle booster), "a new booster");
            foreach (MatrixHandle matrix in matrices) GC.KeepAlive(matrix);
            return booster;
        }
    }

    /// <summary>The metrics after a tree, as the line <c>[3]\tvalid-rmse:0.5\tvalid-mae:0.25</c>.</summary>
    public static string Evaluate(BoosterHandle booster, int round, MatrixHandle valid)
    {
        fixed (byte* called = "valid\0"u8)
        {
            nint matrix = valid.DangerousGetHandle(), name = (nint)called;
            Check(Evaluate(booster, round, &matrix, &name, 1, out nint line), $"validation after tree {round + 1}");
            GC.KeepAlive(valid);
            return Marshal.PtrToStringUTF8(line)!;
        }
    }

    /// <summary>All numbers that are predicted, whatever their shape.</summary>
    public static float[] Predict(BoosterHandle booster, MatrixHandle rows, string config)
    {
        Check(Predict(booster, rows, config, out ulong* shape, out ulong dimensions, out float* values), "prediction");
        ulong count = 1;
        for (ulong d = 0; d < dimensions; d++) count *= shape[d];
        return new ReadOnlySpan<float>(values, checked((int)count)).ToArray();
    }

    /// <summary>The features that trees ask for, and how much each matters.</summary>
    public static (string Feature, float Score)[] FeatureScores(BoosterHandle booster, string config)
    {
        Check(FeatureScore(booster, config, out ulong count, out nint* names, out _, out _, out float* scores), "importance of features");
        var features = new (string, float)[count];
        for (int i = 0; i < features.Length; i++) features[i] = (Marshal.PtrToStringUTF8(names[i])!, scores[i]);
        return features;
    }

    /// <summary>The model as a file holds it.</summary>
    public static byte[] Save(BoosterHandle booster, string config)
    {
        Check(Save(booster, config, out ulong length, out byte* bytes), "saving");
        return new ReadOnlySpan<byte>(bytes, checked((int)length)).ToArray();
    }

    /// <summary>An attribute; null where the booster has none of that name.</summary>
    public static string? Attribute(BoosterHandle booster, string name)
    {
        Check(GetAttribute(booster, name, out nint value, out int found), name);
        return found != 0 ? Marshal.PtrToStringUTF8(value) : null;
    }

    /// <summary>Fails where a call did.</summary>
    /// <param name="status">What the call answered.</param>
    /// <param name="what">What was being done, for the message.</param>
    public static void Check(int status, string what)
    {
        if (status == 0) return;
        // The reason comes with a stack trace of C++ below its first line.
        string reason = Marshal.PtrToStringUTF8(LastError()) ?? "no reason given";
        string first = reason.Split('\n').Select(line => line.Trim()).FirstOrDefault(line => line.Length > 0) ?? reason;
        throw new BoostingException($"{what}: XGBoost says: {first}");
    }
}
