package dev.tactful.client;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** A server of its own for each class of tests, with the sample rules and no customers. */
final class TestServer implements AutoCloseable {
  static final Path ROOT = Path.of("../..").toAbsolutePath().normalize();
  private static final String BINARY =
      Optional.ofNullable(System.getenv("TACTFUL")).orElse(ROOT.resolve("target/debug/tactful").toString());

  private final Process process;
  private final Path folder;
  private final boolean secure;
  private final String address;

  private TestServer(Process process, Path folder, boolean secure, String address) {
    this.process = process;
    this.folder = folder;
    this.secure = secure;
    this.address = address;
  }

  static TestServer start(String... flags) throws IOException {
    Path folder = Files.createTempDirectory("tactful-client-");
    List<String> command = new ArrayList<>(List.of(BINARY, "serve", "--listen", "127.0.0.1:0", "--skip-tests"));
    command.addAll(List.of("--rules", ROOT.resolve("rules").toString(), "--data", folder.resolve("data").toString()));
    command.addAll(List.of(flags));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    BufferedReader said = process.inputReader();
    StringBuilder all = new StringBuilder();
    for (String line; (line = said.readLine()) != null; all.append(line).append('\n')) {
      if (line.startsWith("listening")) {
        // What follows is read, too, so that the server never waits for a full pipe.
        Proxy.start(() -> said.transferTo(Writer.nullWriter()));
        return new TestServer(process, folder, List.of(flags).contains("--tls-cert"), line.split("\\s+")[1]);
      }
    }
    throw new IllegalStateException("the server ended:\n" + all);
  }

  String url() {
    return (secure ? "https://" : "http://") + address;
  }

  int port() {
    return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
  }

  /** A command, and what it prints. */
  static String run(String... command) throws IOException, InterruptedException {
    command[0] = command[0].equals("tactful") ? BINARY : command[0];
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes());
    if (process.waitFor() != 0) throw new IllegalStateException(String.join(" ", command) + ":\n" + said);
    return said;
  }

  @Override
  public void close() throws IOException {
    process.destroy();
    process.onExit().join();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
    }
  }
}
