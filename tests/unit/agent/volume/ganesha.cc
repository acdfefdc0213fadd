#include "tests/unit/agent/volume/ganesha.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/runtime/fd.h"

namespace devrun::volume {

namespace {

constexpr const char* kProgram = "/usr/bin/ganesha.nfsd";

sockaddr_in local(int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<uint16_t>(port));
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

int free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = local(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return ntohs(address.sin_port);
}

bool accepts(int port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  const sockaddr_in address = local(port);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::string configuration(const std::string& folder, const std::string& run, int port) {
  return fmt::format(R"(
NFS_CORE_PARAM {{ Protocols = 4; NFS_Port = {}; Bind_addr = 127.0.0.1;
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }}
NFS_KRB5 {{ Active_krb5 = false; CCacheDir = {}/krb5; }}
NFSV4 {{ Graceless = true; Only_Numeric_Owners = true; RecoveryBackend = fs;
  RecoveryRoot = {}/recovery; Minor_Versions = 0; }}
LOG {{ Default_Log_Level = EVENT; }}
EXPORT {{ Export_Id = 1; Path = {}; Pseudo = /; Access_Type = RO; Squash = None; SecType = sys;
  Transports = TCP; PrivilegedPort = true; Disable_ACL = true;
  Attr_Expiration_Time = 0; MaxRead = 1048576; PrefRead = 1048576; FSAL {{ Name = VFS; }} }}
)",
                     port, run, run, folder);
}

}  // namespace

bool Ganesha::is_installed() {
  return ::access(kProgram, X_OK) == 0;
}

Ganesha::Ganesha(std::string export_folder, std::string run_folder)
    : export_folder_(std::move(export_folder)),
      run_folder_(std::move(run_folder)),
      port_(free_port()) {
  std::filesystem::create_directories(run_folder_ + "/recovery");
  std::ofstream(run_folder_ + "/ganesha.conf") << configuration(export_folder_, run_folder_, port_);
}

Ganesha::~Ganesha() {
  kill();
}

void Ganesha::start() {
  std::filesystem::remove(run_folder_ + "/pid");
  const std::string config = run_folder_ + "/ganesha.conf";
  const std::string pid_file = run_folder_ + "/pid";
  const std::string log = run_folder_ + "/log";
  const std::string blkid = "BLKID_FILE=" + run_folder_ + "/blkid.tab";
  const char* words[] = {kProgram, "-F",        "-f", config.c_str(), "-p",   pid_file.c_str(),
                         "-L",     log.c_str(), "-N", "NIV_EVENT",    nullptr};
  const char* environment[] = {"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent", blkid.c_str(),
                               "PATH=/usr/bin:/bin", nullptr};
  pid_ = ::fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // of the thread that started us: the test's
    ::execve(kProgram, const_cast<char**>(words), const_cast<char**>(environment));
    ::_exit(127);
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!accepts(port_)) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "ganesha does not come up";
    ASSERT_EQ(::waitpid(pid_, nullptr, WNOHANG), 0) << "ganesha ended";
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void Ganesha::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void Ganesha::hang() {
  ::kill(pid_, SIGSTOP);
  ::waitpid(pid_, nullptr, WUNTRACED);  // until all its threads have stopped
}

void Ganesha::go_on() {
  ::kill(pid_, SIGCONT);
}

NfsAddress Ganesha::address() const {
  NfsAddress out;
  out.host = "127.0.0.1";
  out.port = port_;
  return out;
}

}  // namespace devrun::volume
