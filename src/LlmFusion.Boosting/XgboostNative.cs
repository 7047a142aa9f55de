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

/// <summary>The functions of xgboost/c_api.h that are used. Arrays that come out belong to the library until the booster's next call, so they are copied at once.</summary>
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
    public static partial int CreateBooster(nint* matrices, ulong count, out BoosterHandle booster);

    [LibraryImport(Library, EntryPoint = "XGBoosterFree")]
    public static partial int FreeBooster(nint booster);

    [LibraryImport(Library, EntryPoint = "XGBoosterSetParam", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetParameter(BoosterHandle booster, string name, string value);

    [LibraryImport(Library, EntryPoint = "XGBoosterUpdateOneIter")]
    public static partial int Update(BoosterHandle booster, int round, MatrixHandle train);

    [LibraryImport(Library, EntryPoint = "XGBoosterEvalOneIter")]
    public static partial int Evaluate(BoosterHandle booster, int round, nint* matrices, nint* names, ulong count, out nint line);

    [LibraryImport(Library, EntryPoint = "XGBoosterPredictFromDMatrix", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Predict(BoosterHandle booster, MatrixHandle matrix, string config, out ulong* shape, out ulong dimensions, out float* values);

    [LibraryImport(Library, EntryPoint = "XGBoosterFeatureScore", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int FeatureScore(BoosterHandle booster, string config, out ulong features, out nint* names, out ulong dimensions, out ulong* shape, out float* scores);

    [LibraryImport(Library, EntryPoint = "XGBoosterSaveModelToBuffer", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Save(BoosterHandle booster, string config, out ulong length, out byte* bytes);

    [LibraryImport(Library, EntryPoint = "XGBoosterLoadModelFromBuffer")]
    public static partial int Load(BoosterHandle booster, ReadOnlySpan<byte> bytes, ulong length);

    [LibraryImport(Library, EntryPoint = "XGBoosterSetAttr", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetAttribute(BoosterHandle booster, string name, string value);

    [LibraryImport(Library, EntryPoint = "XGBoosterGetAttr", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int GetAttribute(BoosterHandle booster, string name, out nint value, out int found);

    [LibraryImport(Library, EntryPoint = "XGBoosterGetNumFeature")]
    public static partial int FeatureCount(BoosterHandle booster, out ulong features);

    [LibraryImport(Library, EntryPoint = "XGBoosterBoostedRounds")]
    public static partial int Rounds(BoosterHandle booster, out int rounds);

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
