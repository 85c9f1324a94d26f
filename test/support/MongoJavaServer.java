import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;

/** Runs mongo-java-server in memory on a port of this machine, until it is killed. */
final class MongoJavaServer {
  public static void main(String[] args) {
    new MongoServer(new MemoryBackend()).bind("127.0.0.1", Integer.parseInt(args[0]));
  }
}
