package dev.tactful.client;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Supplier;

/** How to reach a server, and how long to wait for it. */
public final class TactfulClientBuilder {
  private final URI url;
  private Supplier<String> token;
  private Path ca;
  private Path certificate;
  private Path key;
  private Duration decideTimeout = TactfulClient.DECIDE_TIMEOUT;
  private Duration timeout = TactfulClient.TIMEOUT;

  TactfulClientBuilder(String url) {
    this.url = URI.create(url);
    boolean known = "http".equals(this.url.getScheme()) || "https".equals(this.url.getScheme());
    if (!known || this.url.getHost() == null) {
      throw new IllegalArgumentException("`" + url + "` is not an address such as https://tactful.example:50051");
    }
  }

  /**
   * The token to send with each call.
   *
   * @param token the token; none if it is {@code null}
   * @return this builder
   */
  public TactfulClientBuilder token(String token) {
    this.token = token == null ? null : () -> token;
    return this;
  }

  /**
   * A token that changes: it is asked for with each call.
   *
   * @param token returns the token to use now
   * @return this builder
   */
  public TactfulClientBuilder token(Supplier<String> token) {
    this.token = token;
    return this;
  }

  /**
   * The certificates to trust, if the server's is not of a well-known authority.
   *
   * @param ca a file, PEM
   * @return this builder
   */
  public TactfulClientBuilder ca(Path ca) {
    this.ca = ca;
    return this;
  }

  /**
   * The client's own certificate.
   *
   * @param certificate a file with the certificate and its chain, PEM
   * @param key a file with its key, PKCS #8 as PEM
   * @return this builder
   */
  public TactfulClientBuilder certificate(Path certificate, Path key) {
    this.certificate = certificate;
    this.key = key;
    return this;
  }

  /**
   * How long a decision may take, retries included; 300 ms if left out.
   *
   * @param timeout the time
   * @return this builder
   */
  public TactfulClientBuilder decideTimeout(Duration timeout) {
    this.decideTimeout = timeout;
    return this;
  }

  /**
   * How long any other call may take, retries included; 5 s if left out.
   *
   * @param timeout the time
   * @return this builder
   */
  public TactfulClientBuilder timeout(Duration timeout) {
    this.timeout = timeout;
    return this;
  }

  /**
   * The client. It connects with its first call.
   *
   * @return the client
   * @throws UncheckedIOException if a file cannot be read
   */
  public TactfulClient build() {
    boolean secure = "https".equals(url.getScheme());
    int port = url.getPort() >= 0 ? url.getPort() : secure ? 443 : 80;
    ChannelCredentials credentials = secure ? tls() : InsecureChannelCredentials.create();
    return new TactfulClient(Connections.to(url.getHost() + ":" + port, credentials, token), decideTimeout, timeout);
  }

  private ChannelCredentials tls() {
    TlsChannelCredentials.Builder tls = TlsChannelCredentials.newBuilder();
    try {
      if (ca != null) tls.trustManager(ca.toFile());
      if (certificate != null) tls.keyManager(certificate.toFile(), key.toFile());
    } catch (IOException e) {
      throw new UncheckedIOException("a certificate or key cannot be read", e);
    }
    return tls.build();
  }
}
