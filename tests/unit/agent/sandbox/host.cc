#include "tests/unit/agent/sandbox/host.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/sandbox/remove_tree.h"
#include "agent/shim/exit_record.h"
#include "common/base/check.h"
#include "common/model/ending.h"
#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

// Before any thread: whatever a test mounts is undone by the kernel when this process ends.
class OwnNamespace : public testing::Environment {
 public:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0u) << "these tests need root";
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ::umount2("/sys/fs/cgroup/unified", 0);  // crun 1.8 refuses hybrid hosts
  }
};
[[maybe_unused]] testing::Environment* const own_namespace =
    testing::AddGlobalTestEnvironment(new OwnNamespace);

std::string bin_folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

void make_root(const std::string& root) {
  for (const char* folder :
       {"bin", "etc", "home/ada", "proc", "sys", "dev", "run", "tmp", "var/tmp", "usr/local/bin"}) {
    std::filesystem::create_directories(root + "/" + folder);
  }
  std::filesystem::copy_file("/bin/busybox", root + "/bin/busybox");
  for (const char* name :
       {"sh",     "cat",  "true",  "false", "sleep",    "ls",    "echo",    "id",
        "stty",   "ps",   "mkdir", "rm",    "mv",       "kill",  "head",    "dd",
        "env",    "pwd",  "tty",   "umask", "hostname", "mount", "touch",   "stat",
        "setsid", "grep", "wc",    "chmod", "yes",      "nc",    "readlink"}) {
    std::filesystem::create_symlink("busybox", root + "/bin/" + name);
  }
  std::ofstream(root + "/home/ada/data") << "old\n";
  std::ofstream(root + "/etc/passwd")
      << "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n";
  std::ofstream(root + "/home/ada/not_a_program") << "text\n";
  std::ofstream(root + "/home/ada/bad_interpreter") << "#!/no/such\n";
  ::chmod((root + "/home/ada/bad_interpreter").c_str(), 0755);
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

std::string stream_of(const std::string& attempt_folder, int stream) {
  const Result<std::string> log = read_file(attempt_folder + "/output", size_t{1} << 32);
  std::string out;
  if (!log) return out;
  for (size_t at = 0; at + 16 <= log->size();) {
    uint32_t length = 0;
    std::memcpy(&length, log->data() + at + 4, sizeof length);
    if (at + 16 + length > log->size()) break;
    if ((*log)[at] == stream) out.append(*log, at + 16, length);
    at += 16 + length;
  }
  return out;
}

Host::Host() {
  char name[] = "/tmp/devrun-sandbox-XXXXXX";
  CHECK(::mkdtemp(name) != nullptr);
  folder_ = name;
  make_root(path("tree"));
}

Host::~Host() {
  if (!sandboxes_) open();
  if (const Result<std::vector<Found>> found = sandboxes_->find(); found) {
    for (const Found& one : *found) {
      if (Status released = sandboxes_->release(one.spec.key); !released) {
        ADD_FAILURE() << released.error().message;
      }
    }
  }
  EXPECT_EQ(mounts_below(), std::vector<std::string>{});
  EXPECT_TRUE(eventually([&] { return processes_naming().empty(); })) << processes_naming().front();
  for (const char* controller : {"cpu", "memory", "pids", "devices"}) {
    ::rmdir(("/sys/fs/cgroup/" + std::string(controller) + "/" + options().cgroup_parent).c_str());
  }
  Status removed = remove_tree(folder_);
  EXPECT_TRUE(removed) << removed.error().message;
}

Options Host::options() const {
  Options out;
  out.node = "node1";
  out.state_folder = path("state");
  out.live_folder = path("volumes");
  out.shim_program = bin_folder() + "/devrun-shim";
  out.devrun_program = "/bin/busybox";  // any static program
  out.cgroup_parent = std::filesystem::path(folder_).filename().string();
  return out;
}

Ground Host::ground() const {
  Ground out{options(), *parts_of_host()};
  out.parts.prepare_tree = [tree = path("tree")](const AttemptSpec&, const std::function<bool()>&)
      -> Result<PreparedTree> { return PreparedTree{tree}; };
  return out;
}

void Host::open(std::vector<Step> steps) {
  sandboxes_ = *open_sandboxes(ground(), std::move(steps));
}

void Host::open(Ground ground) {
  sandboxes_ = *open_sandboxes(std::move(ground), all_steps());
}

AttemptSpec Host::spec(std::vector<std::string> argv) {
  AttemptSpec out;
  out.key.job = next_job_++;
  out.user = "ada";
  out.root.volume = "ml";
  out.program.argv = std::move(argv);
  out.program.cwd = "/home/ada";
  out.program.caller.home = "/home/ada";
  out.env = std::string("PATH=/bin\0HELLO=world\0", 22);
  out.resources.cpu_milli = 1000;
  return out;
}

Ending Host::run(const AttemptSpec& spec) {
  Status started = start(spec);
  if (!started) return not_started(started.error());
  return wait(spec.key);
}

Ending Host::wait(const AttemptKey& key) {
  Ending ending{EndCause::kLost, -1, "it never ended", {}};
  eventually([&] {
    const auto record = shim::read_exit_record(sandboxes_->folder(key));
    if (!record || !*record) return false;
    ending = (*record)->ending;
    return true;
  });
  return ending;
}

std::vector<std::string> Host::mounts_below() const {
  std::vector<std::string> out;
  std::ifstream in("/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.find(folder_) != std::string::npos) out.push_back(line);
  }
  return out;
}

std::vector<std::string> Host::processes_naming() const {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const Result<std::string> line = read_file(entry.path().string() + "/cmdline");
    if (line && line->find(folder_) != std::string::npos) out.push_back(name + " " + *line);
  }
  return out;
}

shim::Handlers Ear::handlers() {
  shim::Handlers out;
  out.state = [this](const shim::ShimState& now) {
    with([&](Ear& ear) {
      ear.state = now;
      ear.output_bytes = now.output_bytes;
      ear.taken = now.stdin_offset;
      return 0;
    });
  };
  out.output_grew = [this](uint64_t bytes) {
    with([&](Ear& e) { return e.output_bytes = bytes; });
  };
  out.stdin_taken = [this](uint64_t offset) { with([&](Ear& e) { return e.taken = offset; }); };
  out.stdin_closed = [this] { with([](Ear& e) { return e.stdin_closed = true; }); };
  out.gone = [this] { with([](Ear& e) { return e.gone = true; }); };
  return out;
}

}  // namespace devrun::sandbox
