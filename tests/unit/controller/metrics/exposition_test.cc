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
  node.gpus = {{3, 50, 10, 20}, {101, 0, 10, 20}};
  numbers.samples = {node};
  const std::string text = exposition(numbers);
  for (const char* line : {"# TYPE devrun_jobs gauge\n", "devrun_jobs{state=\"queued\"} 3\n",
                           "devrun_user_gpus{user=\"a\\\"d\\\\a\"} 4\n",
                           "devrun_node_cpu_ratio{node=\"node1\"} 0.25\n",
                           "devrun_node_memory_bytes{node=\"node1\"} 1024\n",
                           "devrun_gpu_busy_ratio{node=\"node1\",gpu=\"3\"} 0.5\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  // Of a slice the driver tells no use: that is not 0.
  EXPECT_EQ(text.find("devrun_gpu_busy_ratio{node=\"node1\",gpu=\"101\"}"), std::string::npos);
  EXPECT_NE(text.find("devrun_gpu_memory_bytes{node=\"node1\",gpu=\"101\"} 10\n"),
            std::string::npos);
}

TEST(Exposition, JobsThatRunHaveSeriesByNode) {
  ClusterNumbers numbers;
  numbers.users = {{41, "ada"}, {42, "eve"}};
  NodeSample node{"node1", 250, 1024, 4096, 7, 9};
  const auto attempt = [](AttemptKey key, uint32_t cpu_milli, uint32_t gpus, uint32_t busy) {
    AttemptSample out;
    out.key = key;
    out.cpu_milli = cpu_milli;
    out.memory_bytes = 100;
    out.gpus = gpus;
    out.gpu_busy_percent = busy;
    return out;
  };
  node.attempts = {attempt({41, 1, 0, 1}, 500, 1, 100), attempt({41, 2, 0, 1}, 1000, 3, 20),
                   attempt({42, kNoTask, 0, 1}, 250, 0, 0), attempt({43, kNoTask, 0, 1}, 9, 0, 0)};
  numbers.samples = {node};
  const std::string text = exposition(numbers);
  for (const char* line :
       {"devrun_job_cpu_cores{user=\"ada\",job=\"41\",node=\"node1\"} 1.5\n",
        "devrun_job_memory_bytes{user=\"ada\",job=\"41\",node=\"node1\"} 200\n",
        "devrun_job_gpu_busy_ratio{user=\"ada\",job=\"41\",node=\"node1\"} 0.4\n",
        "devrun_job_cpu_cores{user=\"eve\",job=\"42\",node=\"node1\"} 0.25\n",
        "devrun_jobs_without_series 0\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_EQ(text.find("job=\"43\""), std::string::npos) << "nobody knows whose it is: it has ended";
  EXPECT_EQ(text.find("gpu_busy_ratio{user=\"eve\""), std::string::npos);
}

TEST(Exposition, OfVeryManyJobsTheNewestHaveSeries) {
  ClusterNumbers numbers;
  NodeSample node;
  node.node = "node1";
  for (JobId job = 1; job <= kJobsInMetricsMax + 7; ++job) {
    numbers.users[job] = "ada";
    AttemptSample attempt;
    attempt.key = {job, kNoTask, 0, 1};
    node.attempts.push_back(attempt);
  }
  numbers.samples = {node};
  const std::string text = exposition(numbers);
  EXPECT_NE(text.find("devrun_jobs_without_series 7\n"), std::string::npos);
  EXPECT_EQ(text.find("job=\"7\""), std::string::npos);
  EXPECT_NE(text.find("job=\"8\""), std::string::npos);
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
