import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs many of Apache Kafka's own command line tools in one JVM, each as if it were a process.
 *
 * Reads one request a line, its fields separated by U+001F:
 *   run ID STDIN STDOUT STDERR CLASS ARGUMENT...   (files; STDIN may be empty)
 *   stop ID                                        (what SIGTERM does: runs its shutdown hooks)
 * and answers "ID STATUS MILLISECONDS" in the order in which the tools end. Ends with its input.
 *
 * A tool's standard streams follow its thread and the threads that it starts. Exit and halt end
 * the tool, not the JVM.
 */
public final class Driver {
    /** What belongs to one running tool. */
    private static final class Run {
        final InputStream in;
        final PrintStream out;
        final PrintStream err;
        final List<Runnable> hooks = new ArrayList<>();
        final ThreadGroup group;
        volatile Integer status;

        Run(String id, String in, String out, String err) throws IOException {
            this.group = new ThreadGroup("tool-" + id);
            this.in = in.isEmpty() ? new ByteArrayInputStream(new byte[0]) : new FileInputStream(in);
            this.out = new PrintStream(new FileOutputStream(out), false, StandardCharsets.UTF_8);
            this.err = new PrintStream(new FileOutputStream(err), true, StandardCharsets.UTF_8);
        }

        void exit(int code) {
            if (status == null) status = code;
            throw new Exited();
        }

        void close() throws IOException {
            out.close();
            err.close();
            in.close();
        }
    }

    /** Unwinds a tool that called exit. */
    private static final class Exited extends Error {
        private static final long serialVersionUID = 1L;
    }

    private static final InheritableThreadLocal<Run> CURRENT = new InheritableThreadLocal<>();
    private static final Map<String, Run> RUNS = new ConcurrentHashMap<>();
    private static final long HOOK_MS_MAX = 20_000;
    private static final PrintStream OUT = System.out;
    private static final PrintStream ERR = System.err;

    public static void main(String[] none) throws Exception {
        System.setIn(new InputStream() {
            private InputStream target() {
                Run run = CURRENT.get();
                return run == null ? InputStream.nullInputStream() : run.in;
            }
            @Override public int read() throws IOException { return target().read(); }
            @Override public int read(byte[] b, int at, int n) throws IOException {
                return target().read(b, at, n);
            }
            @Override public int available() throws IOException { return target().available(); }
        });
        System.setOut(new PrintStream(new Switch(false), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new Switch(true), true, StandardCharsets.UTF_8));
        Exit.setExitProcedure((code, message) -> leave(code, message));
        Exit.setHaltProcedure((code, message) -> leave(code, message));
        Exit.setShutdownHookAdder((name, hook) -> {
            Run run = CURRENT.get();
            if (run == null) return;
            synchronized (run.hooks) {
                run.hooks.add(hook);
            }
        });
        BufferedReader requests = new BufferedReader(
            new InputStreamReader(new java.io.FileInputStream(java.io.FileDescriptor.in), StandardCharsets.UTF_8));
        for (String line; (line = requests.readLine()) != null; ) {
            String[] fields = line.split("\u001f", -1);
            if (fields[0].equals("run")) start(fields);
            else if (fields[0].equals("stop")) stop(fields[1]);
        }
        Runtime.getRuntime().halt(0);
    }

    private static void leave(int code, String message) {
        Run run = CURRENT.get();
        if (run == null) {
            ERR.println("exit " + code + " by no tool: " + message);
            Runtime.getRuntime().halt(code);
        }
        if (message != null) run.err.println(message);
        run.exit(code);
    }

    private static void start(String[] fields) throws IOException {
        String id = fields[1];
        Run run = new Run(id, fields[2], fields[3], fields[4]);
        String[] arguments = Arrays.copyOfRange(fields, 6, fields.length);
        RUNS.put(id, run);
        Thread thread = new Thread(run.group, () -> {
            CURRENT.set(run);
            long start = System.nanoTime();
            int status = perform(run, fields[5], arguments);
            finish(run);
            RUNS.remove(id);
            try {
                run.close();
            } catch (IOException e) {
                ERR.println("closing the streams of " + fields[5] + ": " + e);
            }
            synchronized (OUT) {
                OUT.println(id + " " + status + " " + (System.nanoTime() - start) / 1_000_000);
                OUT.flush();
            }
        }, "tool-" + id);
        thread.setDaemon(true);
        thread.start();
    }

    private static int perform(Run run, String tool, String[] arguments) {
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof Exited)) {
                e.getCause().printStackTrace(run.err);
                return 1;
            }
        } catch (ReflectiveOperationException e) {
            e.printStackTrace(run.err);
            return 1;
        }
        return run.status == null ? 0 : run.status;
    }

    /** Runs what the tool left to the end of its JVM; some send what is left only there. */
    private static void finish(Run run) {
        for (Thread hook : startHooks(run)) {
            try {
                hook.join(HOOK_MS_MAX);
            } catch (InterruptedException e) {
                throw new AssertionError("nobody interrupts a tool", e);
            }
        }
    }

    /** Starts all hooks of a tool, once. */
    private static List<Thread> startHooks(Run run) {
        List<Thread> threads = takeRuntimeHooks(run);
        synchronized (run.hooks) {
            for (Runnable hook : run.hooks) {
                threads.add(new Thread(run.group, () -> {
                    CURRENT.set(run);
                    hook.run();
                }, run.group.getName() + "-hook"));
            }
            run.hooks.clear();
        }
        for (Thread thread : threads) thread.start();
        return threads;
    }

    /** The shutdown hooks that this tool gave to the JVM itself, taken from it. */
    @SuppressWarnings("unchecked")
    private static List<Thread> takeRuntimeHooks(Run run) {
        List<Thread> taken = new ArrayList<>();
        try {
            Class<?> keeper = Class.forName("java.lang.ApplicationShutdownHooks");
            Field field = keeper.getDeclaredField("hooks");
            field.setAccessible(true);
            synchronized (keeper) {
                for (Thread hook : ((Map<Thread, Thread>) field.get(null)).keySet()) {
                    if (hook.getThreadGroup() == run.group) taken.add(hook);
                }
            }
        } catch (ReflectiveOperationException e) {
            throw new AssertionError("needs --add-opens java.base/java.lang=ALL-UNNAMED", e);
        }
        for (Thread hook : taken) Runtime.getRuntime().removeShutdownHook(hook);
        return taken;
    }

    private static void stop(String id) {
        Run run = RUNS.get(id);
        if (run == null) return;
        startHooks(run);
    }

    /** Standard output or error of whichever tool the calling thread belongs to. */
    private static final class Switch extends OutputStream {
        private final boolean error;

        Switch(boolean error) { this.error = error; }

        private PrintStream target() {
            Run run = CURRENT.get();
            if (run == null) return ERR;
            return error ? run.err : run.out;
        }
        @Override public void write(int b) { target().write(b); }
        @Override public void write(byte[] b, int at, int n) { target().write(b, at, n); }
        @Override public void flush() { target().flush(); }
    }
}
