using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace LlmFusion.Embedding;

/// <summary>One embedding.</summary>
/// <param name="Vector">(d) numbers.</param>
/// <param name="Dropped">Tokens that were cut off before.</param>
public sealed record Embedded(float[] Vector, int Dropped);

/// <summary>What the store holds of one encoder.</summary>
/// <param name="Encoder">As the user named it.</param>
/// <param name="Identity">sha256 over everything that changes an embedding but the input.</param>
/// <param name="Width">Length of the vectors.</param>
/// <param name="Vectors">How many.</param>
/// <param name="Bytes">Of the vectors alone.</param>
public sealed record StoredEncoder(string Encoder, string Identity, int Width, long Vectors, long Bytes);

/// <summary>The embedding store cannot be used; the message names its file and the way out.</summary>
public sealed class EmbeddingStoreException(string path, string reason, Exception? inner = null) : Exception($"{path}: {reason}", inner);

/// <summary>
/// Embeddings of frozen encoders in one SQLite file, by encoder and input: what was computed once is never computed again.
/// Several processes may read and write at once; what a killed one had written stays.
/// </summary>
public sealed class EmbeddingStore : IDisposable
{
    /// <summary>The environment variable that names the store's folder.</summary>
    public const string FolderVariable = "LLMFUSION_EMBEDDINGS";

    private const int SchemaVersion = 1, BusySeconds = 120;

    private readonly SqliteConnection _connection;

    private EmbeddingStore(string path, SqliteConnection connection)
    {
        Path = path;
        _connection = connection;
    }

    /// <summary>The file that is used where no other is named.</summary>
    public static string DefaultPath => System.IO.Path.Combine(UserCache.Folder("embeddings", FolderVariable), "embeddings.sqlite");

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Opens a store, made where it is not there.</summary>
    /// <exception cref="EmbeddingStoreException">The file is no store, damaged, or of a newer program.</exception>
    public static EmbeddingStore Open(string? path = null)
    {
        path = System.IO.Path.GetFullPath(path ?? DefaultPath);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, DefaultTimeout = BusySeconds, Pooling = false }.ToString());
        EmbeddingStore store = new(path, connection);
        try
        {
            store.Guard(() =>
            {
                connection.Open();
                RefuseForeign();
                // Large pages hold a vector of 768 floats whole; readers do not wait for a writer.
                store.Execute("PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
                using SqliteTransaction transaction = connection.BeginTransaction(deferred: false);
                if (store.Scalar("PRAGMA user_version") == 0)
                    store.Execute($"""
                        CREATE TABLE encoders (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, name TEXT NOT NULL, width INTEGER NOT NULL);
                        CREATE TABLE vectors (encoder INTEGER NOT NULL REFERENCES encoders (id), input BLOB NOT NULL, dropped INTEGER NOT NULL, vector BLOB NOT NULL);
                        CREATE UNIQUE INDEX vectors_by_input ON vectors (encoder, input);
                        PRAGMA user_version = {SchemaVersion};
                        """);
                transaction.Commit();
                return 0;
            });
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }

        // Before anything is written; in one statement, so that another process may be making the file at this moment.
        void RefuseForeign()
        {
            using SqliteCommand command = store.Command("SELECT (SELECT user_version FROM pragma_user_version), COUNT(*), COALESCE(SUM(name = 'encoders'), 0) FROM sqlite_master");
            using SqliteDataReader reader = command.ExecuteReader();
            reader.Read();
            (long version, bool empty, bool ours) = (reader.GetInt64(0), reader.GetInt64(1) == 0, reader.GetInt64(2) == 1);
            if (!(version == 0 ? empty : ours)) throw new EmbeddingStoreException(path, $"is a database of another program; name another folder in {FolderVariable}, or use --no-store");
            if (version > SchemaVersion) throw new EmbeddingStoreException(path, $"was written by a newer program (schema {version}, this one knows {SchemaVersion}); update LlmFusion, or use --no-store");
        }
    }

    /// <summary>The number by which an encoder's embeddings are filed.</summary>
    public long Register(FrozenEncoder encoder) => Guard(() =>
    {
        using SqliteCommand command = Command("INSERT INTO encoders (identity, name, width) VALUES ($identity, $name, $width) ON CONFLICT (identity) DO UPDATE SET name = $name RETURNING id");
        command.Parameters.AddWithValue("$identity", encoder.Identity);
        command.Parameters.AddWithValue("$name", encoder.Name);
        command.Parameters.AddWithValue("$width", encoder.Width);
        return (long)command.ExecuteScalar()!;
    });

    /// <summary>The embeddings of inputs, null where there is none.</summary>
    /// <param name="encoder">From <see cref="Register"/>.</param>
    /// <param name="width">Length of its vectors.</param>
    /// <param name="inputs">sha256 of each input.</param>
    public Embedded?[] Find(long encoder, int width, IReadOnlyList<byte[]> inputs) => Guard(() =>
    {
        using SqliteTransaction transaction = _connection.BeginTransaction(deferred: true);
        using SqliteCommand command = Command("SELECT dropped, vector FROM vectors WHERE encoder = $encoder AND input = $input");
        command.Parameters.AddWithValue("$encoder", encoder);
        SqliteParameter input = command.Parameters.Add("$input", SqliteType.Blob);
        Embedded?[] found = new Embedded?[inputs.Count];
        for (int i = 0; i < found.Length; i++)
        {
            input.Value = inputs[i];
            using SqliteDataReader reader = command.ExecuteReader();
            // A vector of another length can only be damage: it is computed again.
            if (reader.Read() && reader.GetFieldValue<byte[]>(1) is { } bytes && bytes.Length == width * sizeof(float))
                found[i] = new Embedded(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), reader.GetInt32(0));
        }

        return found;
    });

    /// <summary>Keeps embeddings, all or none.</summary>
    public void Add(long encoder, IReadOnlyList<(byte[] Input, Embedded Embedding)> embeddings) => Guard(() =>
    {
        using SqliteTransaction transaction = _connection.BeginTransaction(deferred: false);
        using SqliteCommand command = Command("INSERT OR REPLACE INTO vectors (encoder, input, dropped, vector) VALUES ($encoder, $input, $dropped, $vector)");
        command.Parameters.AddWithValue("$encoder", encoder);
        SqliteParameter input = command.Parameters.Add("$input", SqliteType.Blob), dropped = command.Parameters.Add("$dropped", SqliteType.Integer), vector = command.Parameters.Add("$vector", SqliteType.Blob);
        foreach ((byte[] key, Embedded embedding) in embeddings)
        {
            (input.Value, dropped.Value, vector.Value) = (key, embedding.Dropped, MemoryMarshal.AsBytes<float>(embedding.Vector).ToArray());
            command.ExecuteNonQuery();
        }

        transaction.Commit();
        return embeddings.Count;
    });

    /// <summary>What the store holds, largest first.</summary>
    public IReadOnlyList<StoredEncoder> Report() => Guard(() =>
    {
        using SqliteCommand command = Command("SELECT name, identity, width, COUNT(vector), SUM(LENGTH(vector)) AS bytes FROM encoders JOIN vectors ON encoder = id GROUP BY id ORDER BY bytes DESC, name");
        using SqliteDataReader reader = command.ExecuteReader();
        List<StoredEncoder> encoders = [];
        while (reader.Read())
            encoders.Add(new StoredEncoder(reader.GetString(0), reader.GetString(1), reader.GetInt32(2), reader.GetInt64(3), reader.GetInt64(4)));
        return encoders;
    });

    /// <summary>Forgets embeddings and gives their room back.</summary>
    /// <param name="name">An encoder's name or the beginning of its identity, from 8 digits; null: all.</param>
    /// <returns>How many vectors went.</returns>
    public long Clear(string? name = null) => Guard(() =>
    {
        // The encoders' own rows stay: a run that goes on meanwhile must not find its number given to another one.
        using SqliteCommand command = Command("""
            DELETE FROM vectors WHERE encoder IN
                (SELECT id FROM encoders WHERE $name IS NULL OR name = $name OR (LENGTH($name) >= 8 AND SUBSTR(identity, 1, LENGTH($name)) = $name))
            """);
        command.Parameters.AddWithValue("$name", (object?)name ?? DBNull.Value);
        long vectors = command.ExecuteNonQuery();
        try
        {
            Execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
        }
        catch (SqliteException)
        {
            // They are forgotten all the same; while another process works with the file, its room is only used again.
        }

        return vectors;
    });

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    private void Execute(string sql)
    {
        using SqliteCommand command = Command(sql);
        command.ExecuteNonQuery();
    }

    private long Scalar(string sql)
    {
        using SqliteCommand command = Command(sql);
        return (long)command.ExecuteScalar()!;
    }

    private SqliteCommand Command(string sql)
    {
        SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        return command;
    }

    private T Guard<T>(Func<T> work)
    {
        const int corrupt = 11, full = 13, notADatabase = 26, busy = 5;
        try
        {
            return work();
        }
        catch (SqliteException e)
        {
            throw new EmbeddingStoreException(Path, e.SqliteErrorCode switch
            {
                corrupt or notADatabase => "is damaged or no embedding store; delete it (everything in it can be computed again), or use --no-store",
                full => "the disk is full; make room, or use --no-store",
                busy => $"another process has held it for more than {BusySeconds} seconds; try again, or use --no-store",
                _ => $"cannot be used ({e.Message}); use --no-store to do without",
            }, e);
        }
    }
}
