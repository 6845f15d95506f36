import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.NullableSchema;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.coordinator.group.generated.ConsumerGroupMemberMetadataValue;

/**
 * Goldens for our message codecs, by Apache Kafka's own client library, and the other direction.
 *
 * <pre>
 *   write DIR     messages.bin.gz, transcodes.bin.gz, apis.txt and errors.txt
 *   verify FILE   every message in FILE (format of messages.bin.gz) must be read whole by Kafka's
 *                 classes and be written by them as the bytes of the next entry; exit 1 otherwise
 * </pre>
 *
 * How a golden is made: a value is built along Kafka's Schema of that version, written by the
 * Schema, read by the message class and written again by it; the last bytes are the golden.
 *
 * Format of messages.bin, all big-endian: i32 messages; each: UTF name, i32 entries; each: i16
 * version, i8 is-the-default, i32 length, bytes.
 *
 * Transcodes say what Kafka writes for other versions than the one that was read, or that it
 * refuses to: for every field there are messages in which only this field is not the default.
 *
 * Format of transcodes.bin: i32 messages; each: UTF name, i32 sources; each: i16 version, i32
 * length, bytes, i32 targets; each: i16 version, i32 length or -1 for refused, bytes.
 */
public final class Goldens {
    private static final String[] PACKAGES = {
        "org.apache.kafka.common.message.", "org.apache.kafka.coordinator.group.generated.",
        "org.apache.kafka.coordinator.transaction.generated.",
    };

    /** One message of one version. */
    record Entry(short version, boolean isDefault, byte[] bytes) { }

    public static void main(String[] args) throws Exception {
        if (args.length == 2 && args[0].equals("write")) {
            write(Path.of(args[1]));
        } else if (args.length == 2 && args[0].equals("verify")) {
            System.exit(verify(args[1]) ? 0 : 1);
        } else {
            System.err.println("usage: Goldens write DIR | verify FILE");
            System.exit(2);
        }
    }

    // ------------------------------------------------------------------ the messages

    /** Every message class that has a valid version, by Kafka's name. */
    static Map<String, Class<? extends Message>> classes() throws IOException {
        Map<String, Class<? extends Message>> found = new TreeMap<>();
        for (String name : definitions()) {
            for (String place : PACKAGES) {
                for (String suffix : List.of("Data", "")) {
                    try {
                        Class<?> type = Class.forName(place + name + suffix);
                        if (Message.class.isAssignableFrom(type)) {
                            found.put(name, type.asSubclass(Message.class));
                        }
                    } catch (ClassNotFoundException e) {
                        // Another package, or a message without a valid version.
                    }
                }
            }
        }
        return found;
    }

    /** Names of the JSON definitions in the jars on the class path. */
    static TreeSet<String> definitions() throws IOException {
        TreeSet<String> names = new TreeSet<>();
        for (String part : System.getProperty("java.class.path").split(":")) {
            if (!part.endsWith(".jar")) continue;
            try (JarFile jar = new JarFile(part)) {
                jar.stream().map(e -> e.getName())
                    .filter(n -> n.startsWith("common/message/") && n.endsWith(".json"))
                    .forEach(n -> names.add(n.substring(15, n.length() - 5)));
            }
        }
        return names;
    }

    static Message make(Class<? extends Message> type) {
        try {
            return type.getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(type.getName(), e);
        }
    }

    static byte[] bytes(Message message, short version) {
        ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] all = new byte[buffer.remaining()];
        buffer.get(all);
        return all;
    }

    /** Reads the whole of `bytes` and writes what was read. */
    static byte[] recode(Class<? extends Message> type, byte[] bytes, short version) {
        Message message = make(type);
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        message.read(new ByteBufferAccessor(buffer), version);
        if (buffer.hasRemaining()) {
            throw new IllegalStateException(buffer.remaining() + " bytes follow the message");
        }
        return bytes(message, version);
    }

    // ------------------------------------------------------------------ write

    static void write(Path dir) throws Exception {
        Map<String, List<Entry>> goldens = new TreeMap<>();
        int count = 0;
        for (Map.Entry<String, Class<? extends Message>> named : classes().entrySet()) {
            List<Entry> entries = entries(named.getKey(), named.getValue());
            goldens.put(named.getKey(), entries);
            count += entries.size();
        }
        Path file = dir.resolve("messages.bin.gz");
        save(file, goldens);
        int transcodes = Transcodes.save(dir.resolve("transcodes.bin.gz"));
        Files.writeString(dir.resolve("apis.txt"), apis());
        Files.writeString(dir.resolve("errors.txt"), errors());
        System.out.printf("%d goldens and %d transcodes of %d messages%n", count, transcodes, goldens.size());
    }

    static List<Entry> entries(String name, Class<? extends Message> type) throws Exception {
        Field schemas = type.getField("SCHEMAS");
        Schema[] byVersion = (Schema[]) schemas.get(null);
        List<Entry> entries = new ArrayList<>();
        for (short version = 0; version < byVersion.length; version++) {
            if (byVersion[version] == null) continue;
            try {
                entries.add(new Entry(version, true, bytes(make(type), version)));
            } catch (NullPointerException e) {
                // Its default has no bytes, because a field is null that may not be.
            }
            for (Filler filler : Filler.all(name, version)) {
                Struct value = (Struct) filler.value(byVersion[version]);
                ByteBuffer buffer = ByteBuffer.allocate(byVersion[version].sizeOf(value));
                byVersion[version].write(buffer, value);
                byte[] golden = recode(type, buffer.array(), version);
                if (!Arrays.equals(golden, recode(type, golden, version))) {
                    throw new IllegalStateException(name + " v" + version + " is not stable");
                }
                entries.add(new Entry(version, false, golden));
            }
            if (type == ConsumerGroupMemberMetadataValue.class) {
                Message member = new ConsumerGroupMemberMetadataValue().setClassicMemberMetadata(null);
                entries.add(new Entry(version, false, bytes(member, version)));
            }
        }
        return entries;
    }

    static void save(Path file, Map<String, List<Entry>> goldens) throws IOException {
        try (DataOutputStream out = packed(file)) {
            out.writeInt(goldens.size());
            for (Map.Entry<String, List<Entry>> named : goldens.entrySet()) {
                out.writeUTF(named.getKey());
                out.writeInt(named.getValue().size());
                for (Entry entry : named.getValue()) {
                    out.writeShort(entry.version);
                    out.writeByte(entry.isDefault ? 1 : 0);
                    out.writeInt(entry.bytes.length);
                    out.write(entry.bytes);
                }
            }
        }
    }

    static DataOutputStream packed(Path file) throws IOException {
        return new DataOutputStream(new GZIPOutputStream(Files.newOutputStream(file)) {{
            def.setLevel(9);
        }});
    }

    /** One line per API and version: key, name, version, request header, response header. */
    static String apis() {
        StringBuilder text = new StringBuilder();
        for (ApiMessageType api : ApiMessageType.values()) {
            short last = api.highestSupportedVersion(true);
            for (short version = api.lowestSupportedVersion(); version <= last; version++) {
                boolean unstable = api.latestVersionUnstable() && version == last;
                text.append(String.format("%d %s %d %d %d %s%n", api.apiKey(), api.name, version,
                    api.requestHeaderVersion(version), api.responseHeaderVersion(version),
                    unstable ? "unstable" : "stable"));
            }
        }
        return text.toString();
    }

    static String errors() {
        StringBuilder text = new StringBuilder();
        for (Errors error : Errors.values()) {
            text.append(error.code()).append(' ').append(error.name()).append('\n');
        }
        return text.toString();
    }

    // ------------------------------------------------------------------ verify

    static boolean verify(String file) throws IOException {
        Map<String, Class<? extends Message>> classes = classes();
        int good = 0;
        int bad = 0;
        try (InputStream raw = new FileInputStream(file);
             DataInputStream in = new DataInputStream(new GZIPInputStream(raw))) {
            for (int left = in.readInt(); left > 0; left--) {
                String name = in.readUTF();
                for (int entries = in.readInt(); entries > 0; entries -= 2) {
                    Entry read = entry(in);
                    Entry wanted = entry(in);
                    String problem = problem(classes.get(name), read, wanted);
                    if (problem == null) {
                        good++;
                    } else if (bad++ < 20) {
                        System.out.printf("%s v%d: %s%n", name, read.version, problem);
                    }
                }
            }
        }
        System.out.printf("verified %d, refused %d%n", good, bad);
        return bad == 0;
    }

    static Entry entry(DataInputStream in) throws IOException {
        return new Entry(in.readShort(), in.readByte() == 1, in.readNBytes(in.readInt()));
    }

    static String problem(Class<? extends Message> type, Entry read, Entry wanted) {
        try {
            Message message = make(type);
            ByteBuffer buffer = ByteBuffer.wrap(read.bytes);
            message.read(new ByteBufferAccessor(buffer), read.version);
            if (buffer.hasRemaining()) return buffer.remaining() + " bytes follow: " + hex(read.bytes);
            dropUnknownTags(message);
            byte[] again = bytes(message, wanted.version);
            if (Arrays.equals(wanted.bytes, again)) return null;
            return hex(read.bytes) + " is for us " + hex(wanted.bytes) + ", for Kafka " + hex(again);
        } catch (RuntimeException | ReflectiveOperationException e) {
            return e + ": " + hex(read.bytes);
        }
    }

    /** Kafka keeps tagged fields that it does not know; we drop them. */
    static void dropUnknownTags(Object value) throws ReflectiveOperationException {
        if (value instanceof Message message) {
            message.unknownTaggedFields().clear();
            for (Field field : value.getClass().getDeclaredFields()) {
                if (Modifier.isStatic(field.getModifiers())) continue;
                field.setAccessible(true);
                dropUnknownTags(field.get(value));
            }
        } else if (value instanceof Iterable<?> all && !(value instanceof BaseRecords)) {
            for (Object element : all) dropUnknownTags(element);
        }
    }

    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < Math.min(bytes.length, 200); i++) {
            text.append(String.format("%02x", bytes[i]));
        }
        return text.toString();
    }

    // ------------------------------------------------------------------ values

    /** Builds values along a schema: all there, all at the edge, or by a seeded choice. */
    static final class Filler {
        private static final long[] NUMBERS = {
            0, 1, -1, 2, 127, -128, 255, 300, 32767, -32768, 65535, 1 << 20, Integer.MAX_VALUE,
            Integer.MIN_VALUE, 1L << 40, Long.MAX_VALUE, Long.MIN_VALUE,
        };
        private static final String[] TEXTS = {
            "", "a", "topic-1", "Grüße", "日本語", "\uD83D\uDE80", "x".repeat(126), "y".repeat(127), "z".repeat(200),
        };

        private static final int RANDOM_COUNT = 8;

        private enum Mode { FULL, EDGE, RANDOM }

        private final Mode mode;
        private final Random random;
        private int next;

        private Filler(Mode mode, long seed) {
            this.mode = mode;
            this.random = new Random(seed);
        }

        static List<Filler> all(String name, short version) {
            long seed = 31L * name.hashCode() + version;
            List<Filler> all = new ArrayList<>(List.of(new Filler(Mode.FULL, seed), new Filler(Mode.EDGE, seed)));
            for (int i = 1; i <= RANDOM_COUNT; i++) all.add(new Filler(Mode.RANDOM, seed + i * 1_000_003L));
            return all;
        }

        Object value(Type type) {
            if (type.isNullable() && isNull()) return null;
            if (type instanceof Schema schema) return struct(schema);
            if (type instanceof TaggedFields tagged) return tagged(tagged);
            if (type.isArray()) return array(type.arrayElementType().get());
            String name = type.toString().replace("COMPACT_", "").replace("NULLABLE_", "");
            return switch (name) {
                case "BOOLEAN" -> mode == Mode.FULL || (mode == Mode.RANDOM && random.nextBoolean());
                case "INT8" -> (byte) number();
                case "INT16" -> (short) number();
                case "UINT16" -> (int) number() & 0xffff;
                case "INT32" -> (int) number();
                case "UINT32" -> number() & 0xffffffffL;
                case "INT64" -> number();
                case "FLOAT64" -> mode == Mode.EDGE ? -0.0 : number() / 8.0;
                case "UUID" -> mode == Mode.EDGE ? Uuid.ZERO_UUID : new Uuid(number(), number());
                case "STRING" -> text();
                case "BYTES" -> ByteBuffer.wrap(blob());
                case "RECORDS" -> MemoryRecords.readableRecords(ByteBuffer.wrap(blob()));
                default -> throw new IllegalStateException("no value for type " + name);
            };
        }

        private boolean isNull() {
            return mode == Mode.EDGE || (mode == Mode.RANDOM && random.nextInt(4) == 0);
        }

        private Struct struct(Schema schema) {
            Struct struct = new Struct(schema);
            for (BoundField field : schema.fields()) {
                struct.set(field, value(field.def.type));
            }
            return struct;
        }

        private TreeMap<Integer, Object> tagged(TaggedFields tagged) {
            TreeMap<Integer, Object> values = new TreeMap<>();
            tagged.fields().forEach((tag, field) -> {
                if (mode != Mode.RANDOM || random.nextBoolean()) {
                    values.put(tag, tagValue(field.type));
                }
            });
            return values;
        }

        /** Schema and class disagree about a null struct in a tagged field: never one here. */
        private Object tagValue(Type type) {
            return type instanceof NullableSchema schema ? struct(schema) : value(type);
        }

        private Object[] array(Type element) {
            int length = switch (mode) {
                case FULL -> 1;
                case EDGE -> 0;
                case RANDOM -> random.nextInt(3);
            };
            // Long enough for a length of two bytes, where that costs little.
            if (mode == Mode.RANDOM && !(element instanceof Schema) && random.nextInt(50) == 0) {
                length = 130;
            }
            Object[] values = new Object[length];
            for (int i = 0; i < length; i++) values[i] = value(element);
            return values;
        }

        private long number() {
            return switch (mode) {
                case FULL -> 0x0102030405060700L + ++next;
                case EDGE -> random.nextBoolean() ? Long.MAX_VALUE : Long.MIN_VALUE;
                case RANDOM -> random.nextInt(4) == 0 ? random.nextLong() : NUMBERS[random.nextInt(NUMBERS.length)];
            };
        }

        private String text() {
            return switch (mode) {
                case FULL -> "f" + ++next;
                case EDGE -> "";
                case RANDOM -> TEXTS[random.nextInt(TEXTS.length)];
            };
        }

        private byte[] blob() {
            byte[] bytes = new byte[mode == Mode.EDGE ? 0 : mode == Mode.FULL ? 3 : random.nextInt(140)];
            Arrays.fill(bytes, (byte) ++next);
            return bytes;
        }
    }

    // ------------------------------------------------------------------ transcodes

    /** What Kafka writes in each version for messages in which one field is not the default. */
    static final class Transcodes {
        static int save(Path file) throws Exception {
            Map<String, Class<? extends Message>> classes = classes();
            int count = 0;
            try (DataOutputStream out = packed(file)) {
                out.writeInt(classes.size());
                for (Map.Entry<String, Class<? extends Message>> named : classes.entrySet()) {
                    short first = named.getValue().getField("LOWEST_SUPPORTED_VERSION").getShort(null);
                    short last = named.getValue().getField("HIGHEST_SUPPORTED_VERSION").getShort(null);
                    List<Entry> sources = sources(named.getValue(), first, last);
                    out.writeUTF(named.getKey());
                    out.writeInt(sources.size());
                    for (Entry source : sources) {
                        out.writeShort(source.version);
                        blob(out, source.bytes);
                        out.writeInt(last - first + 1);
                        for (short to = first; to <= last; to++) {
                            out.writeShort(to);
                            blob(out, write(read(named.getValue(), source), to));
                            count++;
                        }
                    }
                }
            }
            return count;
        }

        private static void blob(DataOutputStream out, byte[] bytes) throws IOException {
            out.writeInt(bytes == null ? -1 : bytes.length);
            if (bytes != null) out.write(bytes);
        }

        private static Message read(Class<? extends Message> type, Entry source) {
            Message message = make(type);
            message.read(new ByteBufferAccessor(ByteBuffer.wrap(source.bytes)), source.version);
            return message;
        }

        private static byte[] write(Message message, short version) {
            try {
                return bytes(message, version);
            } catch (UnsupportedVersionException | NullPointerException e) {
                return null;
            }
        }

        /** Each variant in the newest version that keeps all of it. */
        private static List<Entry> sources(Class<? extends Message> type, short first, short last) throws Exception {
            List<Entry> found = new ArrayList<>();
            for (Object variant : variants(type)) {
                for (short version = last; version >= first; version--) {
                    byte[] bytes = write((Message) variant, version);
                    if (bytes == null) continue;
                    Entry entry = new Entry(version, false, bytes);
                    if (read(type, entry).equals(variant)) {
                        found.add(entry);
                        break;
                    }
                }
            }
            return found;
        }

        /** Instances with the default everywhere but in one field; below arrays and structs too. */
        private static List<Object> variants(Class<?> type) throws Exception {
            List<Object> found = new ArrayList<>();
            Method[] setters = type.getDeclaredMethods();
            Arrays.sort(setters, Comparator.comparing(Method::getName));
            for (Method setter : setters) {
                if (!setter.getName().startsWith("set") || setter.getParameterCount() != 1) continue;
                if (setter.getReturnType() != type) continue;
                for (Object value : values(setter.getParameterTypes()[0], setter.getGenericParameterTypes()[0])) {
                    Object instance = type.getDeclaredConstructor().newInstance();
                    setter.invoke(instance, value);
                    found.add(instance);
                }
            }
            return found;
        }

        private static List<Object> values(Class<?> type, java.lang.reflect.Type generic) throws Exception {
            if (type == boolean.class) return List.of(true, false);
            if (type == byte.class) return List.of((byte) 7);
            if (type == short.class) return List.of((short) 7);
            if (type == int.class) return List.of(7);
            if (type == long.class) return List.of(7L);
            if (type == double.class) return List.of(7.5);
            if (type == Byte.class) return List.of((byte) 7);
            if (type == Short.class) return List.of((short) 7);
            if (type == Integer.class) return List.of(7);
            if (type == Long.class) return List.of(7L);
            if (type == Uuid.class) return List.of(new Uuid(7, 7));
            List<Object> found = new ArrayList<>();
            found.add(null);
            if (type == String.class) {
                found.addAll(List.of("", "s"));
            } else if (type == byte[].class) {
                found.addAll(List.of(new byte[0], new byte[] {7}));
            } else if (type == ByteBuffer.class) {
                found.addAll(List.of(ByteBuffer.allocate(0), ByteBuffer.wrap(new byte[] {7})));
            } else if (Iterable.class.isAssignableFrom(type) && !Message.class.isAssignableFrom(type)
                && !BaseRecords.class.isAssignableFrom(type)) {
                collections(type, generic, found);
            } else if (BaseRecords.class.isAssignableFrom(type)) {
                found.add(MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {7})));
            } else {
                found.add(type.getDeclaredConstructor().newInstance());
                found.addAll(variants(type));
            }
            return found;
        }

        @SuppressWarnings("unchecked")
        private static void collections(Class<?> type, java.lang.reflect.Type generic, List<Object> found) throws Exception {
            java.lang.reflect.Type whole = generic instanceof ParameterizedType ? generic : type.getGenericSuperclass();
            Class<?> element = (Class<?>) ((ParameterizedType) whole).getActualTypeArguments()[0];
            boolean plain = type == List.class;
            found.add(plain ? new ArrayList<>() : type.getDeclaredConstructor().newInstance());
            for (Object value : values(element, element)) {
                if (value == null) continue;
                Object one = plain ? new ArrayList<>() : type.getDeclaredConstructor().newInstance();
                ((java.util.Collection<Object>) one).add(value);
                found.add(one);
            }
        }
    }
}
