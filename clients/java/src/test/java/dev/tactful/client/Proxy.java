package dev.tactful.client;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** A proxy before a server, which forwards everything until it is told to lose an answer; or a server that never answers. */
final class Proxy implements AutoCloseable {
  private static final int HEADERS = 1;

  private final ServerSocket listener;
  private final Queue<Socket> sockets = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean losing = new AtomicBoolean();
  private final AtomicInteger connections = new AtomicInteger();

  private Proxy(ServerSocket listener) {
    this.listener = listener;
  }

  static Proxy before(TestServer server) throws IOException {
    Proxy proxy = listening();
    start(() -> {
      while (true) {
        Socket near = proxy.accepted();
        Socket far = new Socket(InetAddress.getLoopbackAddress(), server.port());
        proxy.sockets.add(far);
        start(() -> near.getInputStream().transferTo(far.getOutputStream()));
        start(() -> proxy.answer(far.getInputStream(), near));
      }
    });
    return proxy;
  }

  /** Accepts connections, and answers nothing. */
  static Proxy mute() throws IOException {
    Proxy proxy = listening();
    start(() -> {
      while (true) proxy.accepted();
    });
    return proxy;
  }

  private static Proxy listening() throws IOException {
    return new Proxy(new ServerSocket(0, 50, InetAddress.getLoopbackAddress()));
  }

  private Socket accepted() throws IOException {
    Socket near = listener.accept();
    sockets.add(near);
    connections.incrementAndGet();
    return near;
  }

  /** Forwards the frames of HTTP/2 that the server sends; cuts the connection in the place of an answer that is to be lost. */
  private void answer(InputStream from, Socket near) throws IOException {
    try (near;
        DataInputStream frames = new DataInputStream(from);
        OutputStream to = near.getOutputStream()) {
      byte[] head = new byte[9];
      while (true) {
        frames.readFully(head);
        byte[] body = new byte[(head[0] & 0xff) << 16 | (head[1] & 0xff) << 8 | head[2] & 0xff];
        frames.readFully(body);
        if (head[3] == HEADERS && losing.compareAndSet(true, false)) return;
        to.write(head);
        to.write(body);
      }
    }
  }

  String url() {
    return "http://127.0.0.1:" + listener.getLocalPort();
  }

  /** How many connections there were. */
  int connections() {
    return connections.get();
  }

  /** Loses the next answer: the server has got the request, and the connection is cut instead of the answer. */
  void loseNextAnswer() {
    losing.set(true);
  }

  boolean lost() {
    return !losing.get();
  }

  @Override
  public void close() throws IOException {
    listener.close();
    for (Socket socket : sockets) socket.close();
  }

  interface Task {
    void run() throws IOException;
  }

  /** Runs a task that ends when the other side closes its end. */
  static void start(Task task) {
    Thread thread = new Thread(() -> {
      try {
        task.run();
      } catch (IOException e) {
        // A side has closed its end.
      }
    });
    thread.setDaemon(true);
    thread.start();
  }
}
