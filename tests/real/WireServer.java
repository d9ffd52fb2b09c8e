import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.io.File;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.List;

/**
 * The MongoDB wire protocol on loopback at a port of our choice, kept in one file: the library's own main class knows
 * port 27017 only. Run as `java -cp 'lib/*' WireServer.java PORT FILE [KEYS PASSWORD]`; SIGTERM ends it in order. With
 * KEYS, a PKCS 12 file with one certificate and its key, it speaks TLS.
 */
public final class WireServer {
    /** The library says 5.0 with wire version 8, which current drivers refuse; a real 5.0 says 13. */
    private record Five() implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 13;
        }
    }

    public static void main(String[] arguments) {
        var port = Integer.parseInt(arguments[0]);
        var server = new MongoServer(new H2Backend(arguments[1]).version(new Five()));
        // Without the hook a stop would lose what came after the store's last commit, up to a second of writes.
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        try {
            if (arguments.length > 2) {
                var password = arguments[3].toCharArray();
                var keys = KeyStore.getInstance(new File(arguments[2]), password);
                var alias = keys.aliases().nextElement();
                var chain = Arrays.copyOf(keys.getCertificateChain(alias), 1, X509Certificate[].class);
                server.enableSsl((PrivateKey) keys.getKey(alias, password), null, chain);
            }
            server.bind("127.0.0.1", port);
        } catch (Exception failed) {
            failed.printStackTrace();
            System.exit(1); // threads of the library would keep a server alive that nobody can reach
        }
    }
}
