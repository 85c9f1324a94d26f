using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "count", worker = .count)],
  sockets = [(name = "http", address = "unix:workerd.sock", http = (), service = "count")],
);

const count :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "count.js", esModule = embed "count.js"),
  ],
  compatibilityDate = "2026-10-01",
);
