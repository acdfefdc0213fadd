// The same over the wire: a real devrun-controller, its own process, and a thousand agents of this one.
//
//   bench_sched_agents CONTROLLER FOLDER [AGENTS TASKS ROUNDS]     (bench/sched starts it)
//
// CONTROLLER: the program; FOLDER: made, for its store and state, on the disk that counts.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>

#include "bench/sched_agents/agents.h"
#include "bench/sched_core/measure.h"
#include "common/runtime/file.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::bench {
namespace {

namespace pb = devrun::v1;

constexpr const char* kAddress = "127.0.0.1:17997";
constexpr uint64_t kClients = 16;
constexpr int kIdleSeconds = 20;
constexpr double kPatienceSeconds = 240;

void pause_briefly() {
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

Status wait_until(const char* what, const std::function<bool()>& is) {
  const double begin = wall_s();
  while (!is()) {
    if (wall_s() - begin > kPatienceSeconds) return Error{Code::kUnavailable, what, {}};
    pause_briefly();
  }
  return ok();
}

// Ended with this object.
class Controller {
 public:
  static Result<std::unique_ptr<Controller>> start(const std::string& program,
                                                   const std::string& folder) {
    std::unique_ptr<Controller> out(new Controller);
    TRY(make_folders(folder + "/store", 0700));
    out->authority_ = TRY(make_authority("bench", 1));
    const Pem own = TRY(issue_certificate(out->authority_, {Role::kController, "controller"},
                                          {"127.0.0.1", "localhost"}, 1));
    std::ofstream(folder + "/ca") << out->authority_.certificate;
    std::ofstream(folder + "/cert") << own.certificate;
    std::ofstream(folder + "/key") << own.key;
    const std::vector<std::string> words = {
        program,        "--store", folder + "/store", "--state", folder + "/state", "--listen",
        kAddress,       "--ca",    folder + "/ca",    "--cert",  folder + "/cert",  "--key",
        folder + "/key"};
    out->pid_ = ::fork();
    if (out->pid_ == 0) {
      std::vector<char*> argv;
      for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
      argv.push_back(nullptr);
      if (std::freopen((folder + "/log").c_str(), "w", stderr) != nullptr) {
        ::execv(program.c_str(), argv.data());
      }
      ::_exit(127);
    }
    return out;
  }
  ~Controller() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  const Pem& authority() const { return authority_; }
  double cpu_s() const {
    std::ifstream file(fmt::format("/proc/{}/stat", pid_));
    std::string line;
    std::getline(file, line);
    std::istringstream rest(line.substr(line.rfind(')') + 2));
    std::string word;
    double ticks = 0;
    for (int field = 3; rest >> word && field <= 15; ++field) {
      if (field >= 14) ticks += std::stod(word);
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }

 private:
  Controller() = default;
  pid_t pid_ = -1;
  Pem authority_;
};

class Client {
 public:
  Client(const Pem& authority, const Pem& own)
      : stub_(pb::Client::NewStub(dial(kAddress, authority, own))) {}

  Status make_volume() {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    pb::CreateVolumeRequest request;
    request.set_name("bench");
    request.set_empty(true);
    auto reader = stub_->CreateVolume(&context, request);
    for (pb::Progress progress; reader->Read(&progress);) continue;
    return checked(reader->Finish());
  }
  Result<std::string> snapshot() {
    grpc::ClientContext context;
    pb::CreateSnapshotRequest request;
    request.set_volume("bench");
    pb::SnapshotInfo made;
    TRY(checked(stub_->CreateSnapshot(&context, request, &made)));
    return std::to_string(made.number());
  }
  // tasks 0: no array. cores beyond any node: it waits.
  Status submit(const std::string& snapshot, int32_t tasks, int64_t cores, const std::string& id) {
    grpc::ClientContext context;
    pb::SubmitRequest request;
    request.set_request_id(id);
    request.set_snapshot(snapshot);
    pb::JobSpec& spec = *request.mutable_spec();
    spec.set_name("true");
    spec.set_nodes(1);
    spec.mutable_root()->set_volume("bench");
    spec.mutable_program()->add_argv("true");
    spec.mutable_program()->set_cwd("/");
    spec.mutable_per_node()->set_cpu_milli(cores * 1000);
    if (tasks > 0) {
      pb::ArrayRange& range = *spec.add_array();
      range.set_last(tasks - 1);
      range.set_step(1);
    }
    for (int i = 0; i < 40; ++i)
      request.mutable_env()->append(fmt::format("V{}={:050}", i, i) + '\0');
    pb::SubmitReply reply;
    return checked(stub_->Submit(&context, request, &reply));
  }

 private:
  static Status checked(const grpc::Status& status) {
    if (status.ok()) return ok();
    return Error{Code::kUnavailable, status.error_message(), {}};
  }
  std::unique_ptr<pb::Client::Stub> stub_;
};

Status measure_arrays(Controller& controller, const Agents& agents, Client& client,
                      const std::string& snapshot, uint64_t tasks, uint64_t rounds,
                      std::vector<Row>& rows) {
  std::vector<double> rates;
  std::vector<double> cpus;
  for (uint64_t round = 0; round <= rounds; ++round) {
    const uint64_t before = agents.counted().ended;
    const double wall = wall_s();
    const double cpu = controller.cpu_s();
    TRY(client.submit(snapshot, static_cast<int32_t>(tasks), 1, fmt::format("array-{}", round)));
    TRY(wait_until("the array did not end in time",
                   [&] { return agents.counted().ended >= before + tasks; }));
    if (round == 0) continue;
    rates.push_back(static_cast<double>(tasks) / (wall_s() - wall));
    cpus.push_back((controller.cpu_s() - cpu) / static_cast<double>(tasks) * 1000);
  }
  rows.push_back({"array tasks over Synchronize and TLS, submit to finish", "tasks/s",
                  spread(rates).p50, 5000, true, "agents and controller share the machine"});
  rows.push_back({"… the controller's CPU for a task", "ms", spread(cpus).p50, 0.1});
  return ok();
}

Status measure_submissions(Controller& controller, const Pem& own, const std::string& snapshot,
                           uint64_t each, double bar, std::vector<Row>& rows) {
  std::vector<std::thread> threads;
  std::atomic<uint64_t> failed{0};
  const double wall = wall_s();
  const double cpu = controller.cpu_s();
  const char* kind = snapshot.empty() ? "fresh" : "fixed";
  for (uint64_t n = 0; n < kClients; ++n) {
    threads.emplace_back([&, n] {
      Client client(controller.authority(), own);
      for (uint64_t i = 0; i < each; ++i) {
        const std::string id = fmt::format("{}-{}-{}", kind, n, i);
        if (!client.submit(snapshot, 0, 1000, id)) ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed != 0)
    return Error{Code::kUnavailable, fmt::format("{} submissions failed", failed.load()), {}};
  const auto all = static_cast<double>(kClients * each);
  rows.push_back({fmt::format("single submissions, {} clients, {} snapshots", kClients, kind),
                  "jobs/s", all / (wall_s() - wall), bar, true,
                  snapshot.empty() ? "an empty volume" : ""});
  rows.push_back({"… the controller's CPU for one", "ms", (controller.cpu_s() - cpu) / all * 1000});
  return ok();
}

Status run(const std::string& program, const std::string& folder, uint64_t count, uint64_t tasks,
           uint64_t rounds) {
  const std::unique_ptr<Controller> controller = TRY(Controller::start(program, folder));
  const Pem own = TRY(issue_certificate(controller->authority(), {Role::kAdmin, "root"}, {}, 1));
  Client client(controller->authority(), own);
  TRY(client.make_volume());
  const std::string snapshot = TRY(client.snapshot());
  std::vector<Row> rows;
  TRY(measure_submissions(*controller, own, snapshot, 500, 3000, rows));
  TRY(measure_submissions(*controller, own, "", 50, 300, rows));
  const std::unique_ptr<Agents> agents =
      TRY(Agents::start(kAddress, controller->authority(), count));
  TRY(wait_until("the agents did not connect",
                 [&] { return agents->counted().connected >= count; }));
  TRY(measure_arrays(*controller, *agents, client, snapshot, tasks, rounds, rows));
  std::this_thread::sleep_for(std::chrono::seconds(3));
  const double cpu = controller->cpu_s();
  const double wall = wall_s();
  std::this_thread::sleep_for(std::chrono::seconds(kIdleSeconds));
  rows.push_back({fmt::format("idle controller, {} connected agents", count), "% core",
                  (controller->cpu_s() - cpu) / (wall_s() - wall) * 100, 2});
  print(rows, "");
  if (agents->counted().broken != 0)
    fmt::print("{} calls broke\n", agents->counted().broken.load());
  return ok();
}

}  // namespace
}  // namespace devrun::bench

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const auto number = [&](int at, uint64_t otherwise) {
    return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  const devrun::Status done =
      devrun::bench::run(argv[1], argv[2], number(3, 1000), number(4, 20'000), number(5, 3));
  if (!done) fmt::print(stderr, "bench_sched_agents: {}\n", done.error().message);
  return done ? 0 : 1;
}
