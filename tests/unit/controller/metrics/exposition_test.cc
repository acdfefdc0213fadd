// The text that Prometheus reads, and the page that it comes on.
#include "controller/metrics/exposition.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/metrics/http_text.h"

namespace devrun::controller {
namespace {

TEST(Exposition, IsALineForEachNumber) {
  ClusterNumbers numbers;
  numbers.jobs = {{"queued", 3}, {"running", 2}};
  numbers.gpus_used = {{"a\"d\\a", 4}};
  NodeSample node{"node1", 250, 1024, 4096, 7, 9};
  node.gpus = {{3, 50, 10, 20}};
  numbers.samples = {node};
  const std::string text = exposition(numbers);
  for (const char* line : {"# TYPE devrun_jobs gauge\n", "devrun_jobs{state=\"queued\"} 3\n",
                           "devrun_user_gpus{user=\"a\\\"d\\\\a\"} 4\n",
                           "devrun_node_cpu_ratio{node=\"node1\"} 0.25\n",
                           "devrun_node_memory_bytes{node=\"node1\"} 1024\n",
                           "devrun_gpu_busy_ratio{node=\"node1\",gpu=\"3\"} 0.5\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

std::string ask(uint16_t port, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  ::shutdown(fd, SHUT_WR);
  std::string out;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;) {
    out.append(buffer, static_cast<size_t>(n));
  }
  ::close(fd);
  return out;
}

TEST(HttpText, AnswersItsPageAndNothingElse) {
  auto page = HttpText::listen("127.0.0.1:0", "/metrics", [] { return std::string("x 1\n"); });
  ASSERT_TRUE(page.has_value()) << page.error().message;
  const uint16_t port = (*page)->port();
  const std::string good = ask(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(good.starts_with("HTTP/1.0 200 OK\r\n")) << good;
  EXPECT_TRUE(good.ends_with("\r\n\r\nx 1\n")) << good;
  EXPECT_TRUE(ask(port, "GET /metricsx HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404"));
  EXPECT_TRUE(ask(port, "POST /metrics HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404"));
  EXPECT_TRUE(ask(port, "").starts_with("HTTP/1.0 404"));
  EXPECT_TRUE(ask(port, std::string(100'000, 'x')).size() < 1000);
  EXPECT_TRUE(ask(port, "GET /metrics?x=1 HTTP/1.1\r\n\r\n").starts_with("HTTP/1.0 200"));
}

TEST(HttpText, RefusesWhatIsNoAddress) {
  for (const char* bad : {"", "9464", "localhost:1", "127.0.0.1:", "127.0.0.1:99999", "1.2.3:4"}) {
    EXPECT_FALSE(HttpText::listen(bad, "/", [] { return std::string(); }).has_value()) << bad;
  }
}

}  // namespace
}  // namespace devrun::controller
