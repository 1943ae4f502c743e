// Follows a target with networks that `mmsimtrack export` wrote.
//
//     track EXPORTED SOURCE X,Y,W,H > boxes.csv
//
// EXPORTED is the folder with tracker.json; SOURCE is a video or a folder of
// frames; the box is that of the target in the first frame, in pixels. Boxes
// are those of mmsimtrack.runtime. Not done here: several targets, and boxes
// over ten times as large as the frame.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <openvino/openvino.hpp>

struct Box { double x1, y1, x2, y2; };
struct Change { double x, y, w, h; };  // shift in sides; logarithms of ratios
struct Window { int left, top, side; };
struct View { int size; double factor; };
struct Found { Box box; float score, peak; };

// The rounding of Python: to six decimals, and half to even.
double round6(double x) { return std::nearbyint(x * 1e6) / 1e6; }

Window around(const Box& b, double factor) {
  const double area = (b.x2 - b.x1) * (b.y2 - b.y1);
  const int side = std::max(1, int(std::ceil(round6(factor * std::sqrt(area)))));
  return {int(std::nearbyint(round6((b.x1 + b.x2 - side) / 2))),
          int(std::nearbyint(round6((b.y1 + b.y2 - side) / 2))), side};
}

// Cut a window out of a frame, black outside: (1, 3, size, size) RGB.
ov::Tensor cut(const cv::Mat& frame, const Window& w, int size) {
  cv::Mat crop = cv::Mat::zeros(w.side, w.side, CV_8UC3), planes[3];
  const cv::Rect inside = cv::Rect(w.left, w.top, w.side, w.side) &
                          cv::Rect(0, 0, frame.cols, frame.rows);
  if (!inside.empty())
    frame(inside).copyTo(crop(inside - cv::Point(w.left, w.top)));
  cv::resize(crop, crop, {size, size});
  cv::split(crop, planes);
  ov::Tensor tensor(ov::element::u8, {1, 3, size_t(size), size_t(size)});
  for (int i = 0; i < 3; i++)  // OpenCV has BGR
    std::memcpy(tensor.data<uint8_t>() + i * size * size, planes[2 - i].data,
                size * size);
  return tensor;
}

Box change(const Box& b, const Change& c) {
  const double w = b.x2 - b.x1, h = b.y2 - b.y1;
  const double x = (b.x1 + b.x2) / 2 + c.x * w, y = (b.y1 + b.y2) / 2 + c.y * h;
  const double u = w * std::exp(c.w) / 2, v = h * std::exp(c.h) / 2;
  return {x - u, y - v, x + u, y + v};
}

// Mix a length with the former one, the more the nearer they are.
double smooth(double size, double former, double share) {
  const double log_ratio =
      std::log(std::max(size, 1e-9) / std::max(former, 1e-9));
  share *= std::exp(-std::pow(log_ratio / 0.5, 2));
  return (1 - share) * size + share * former;
}

void clip(double& first, double& second, double limit, double margin) {
  margin = std::min(margin, limit);
  first = std::clamp(first, 0.0, limit - margin);
  second = first + std::max(std::clamp(second, margin, limit) - first, margin);
}

// Of an odd number of values; NaN if one is.
double median(std::vector<double> v) {
  for (double x : v)
    if (std::isnan(x)) return x;
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

double bounded_median(const std::vector<double>& v) {
  const double middle = median(v);
  return std::isfinite(middle) ? std::clamp(middle, -0.5, 0.5) : 0;
}

class Tracker {
 public:
  explicit Tracker(const std::string& folder) {
    std::ifstream file(folder + "/tracker.json");
    if (!file) throw std::runtime_error(folder + "/tracker.json is missing");
    std::string text(std::istreambuf_iterator<char>(file), {});
    // what the parser of OpenCV does not know
    text = std::regex_replace(text, std::regex(": null"), ": 0");
    settings.open(text, cv::FileStorage::READ | cv::FileStorage::MEMORY);
    if (int(settings["version"]) != 1 || int(settings["batch"]) > 1)
      throw std::runtime_error("expected version 1, and a batch of 1 or open");
    margin = settings["clip_margin"], share = settings["size_smoothing"];
    const bool is_half = std::string(settings["precision"]) == "bf16";
    ov::Core core;
    for (const char* name : {"exemplar", "search"})
      requests[name] =
          core.compile_model(
                  folder + "/" + std::string(settings["files"][name]), "CPU",
                  ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                  ov::hint::inference_precision(is_half ? ov::element::bf16
                                                        : ov::element::f32))
              .create_infer_request();
  }

  void init(const cv::Mat& frame, const Box& given) {
    box = given, score = 1, bias = {0, 0, 0, 0}, missed = 0;
    const View view = read_view("exemplar");
    const Window w = around(given, view.factor);
    ov::Tensor unit(ov::element::f32, {1, 4});
    const double corners[] = {given.x1 - w.left, given.y1 - w.top,
                              given.x2 - w.left, given.y2 - w.top};
    for (int i = 0; i < 4; i++) unit.data<float>()[i] = corners[i] / w.side;
    auto& request = requests["exemplar"];
    for (const auto& port : request.get_compiled_model().inputs())
      request.set_tensor(port, port.get_any_name() == "bbox"
                                   ? unit
                                   : cut(frame, w, view.size));
    request.infer();
    for (size_t i = 0; i < settings["memory"].size(); i++)
      requests["search"].set_tensor("memory" + std::to_string(i),
                                    request.get_output_tensor(i));
    if (int(settings["calibrate"]) || has_rule()) calibrate(frame);
  }

  void update(const cv::Mat& frame) {
    Box near = box;
    if (has_rule()) {
      const double growth = rule("growth"), limit = rule("limit");
      const double scale = std::min(missed * std::log(growth), std::log(limit));
      near = change(box, {0, 0, scale, scale});
    }
    const Found found = find(frame, near);
    Box b = found.box;
    if (has_rule()) {
      const bool is_low = found.peak < rule("share") * usual;
      if (found.peak >= rule("share") * usual)  // NaN is neither
        usual += rule("rate") * (found.peak - usual);
      missed = is_low ? missed + 1 : 0;
    }
    const double sum = b.x1 + b.y1 + b.x2 + b.y2 + found.score;
    if (!std::isfinite(sum)) return;  // the former box stands
    score = found.score;
    if (missed) return;
    b = change(b, {-bias.x, -bias.y, -bias.w, -bias.h});
    const double w = smooth(b.x2 - b.x1, box.x2 - box.x1, share);
    const double h = smooth(b.y2 - b.y1, box.y2 - box.y1, share);
    const double x = (b.x1 + b.x2) / 2, y = (b.y1 + b.y2) / 2;
    if (share > 0) b = {x - w / 2, y - h / 2, x + w / 2, y + h / 2};
    clip(b.x1, b.x2, frame.cols, margin);
    clip(b.y1, b.y2, frame.rows, margin);
    box = b;
  }

  Box box;
  float score;
  int missed;  // frames since the target was seen

 private:
  View read_view(const char* name) {
    return {int(settings[name]["size"]), double(settings[name]["factor"])};
  }

  bool has_rule() { return settings["lost"].isMap(); }
  double rule(const char* name) { return settings["lost"][name]; }

  Found find(const cv::Mat& frame, const Box& near) {
    const View view = read_view("search");
    const Window w = around(near, view.factor);
    auto& request = requests["search"];
    request.set_tensor("search", cut(frame, w, view.size));
    request.infer();
    const float* b = request.get_output_tensor(0).data<float>();
    const Box box = {
        double(b[0]) * w.side + w.left, double(b[1]) * w.side + w.top,
        double(b[2]) * w.side + w.left, double(b[3]) * w.side + w.top};
    const bool has_peak = request.get_compiled_model().outputs().size() > 2;
    return {box, *request.get_output_tensor(1).data<float>(),
            has_peak ? *request.get_output_tensor(2).data<float>() : NAN};
  }

  // Compare predictions in the first frame with the given box.
  void calibrate(const cv::Mat& frame) {
    std::vector<double> x, y, w, h, peaks;
    const double width = box.x2 - box.x1, height = box.y2 - box.y1;
    for (const cv::FileNode& v : settings["calibration_views"]) {
      const double scale = std::log(double(v[2]));
      const Box near = change(box, {double(v[0]), double(v[1]), scale, scale});
      const Found found = find(frame, near);
      const Box& b = found.box;
      peaks.push_back(found.peak);
      const double found_w = b.x2 - b.x1, found_h = b.y2 - b.y1;
      x.push_back((b.x1 + b.x2 - box.x1 - box.x2) / 2 / found_w);
      y.push_back((b.y1 + b.y2 - box.y1 - box.y2) / 2 / found_h);
      w.push_back(std::log(found_w / width));
      h.push_back(std::log(found_h / height));
    }
    usual = median(peaks);
    if (int(settings["calibrate"]))
      bias = {bounded_median(x), bounded_median(y), bounded_median(w),
              bounded_median(h)};
  }

  cv::FileStorage settings;
  std::map<std::string, ov::InferRequest> requests;
  Change bias;
  double margin, share, usual;
};

// Call a function with the frames, BGR, of a video or a folder.
void read(const std::string& source, std::function<void(cv::Mat)> use) {
  if (!std::filesystem::is_directory(source)) {
    cv::VideoCapture video(source);
    for (cv::Mat frame; video.read(frame);) use(frame);
    return;
  }
  std::vector<cv::String> files;
  cv::glob(source, files);
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  for (const auto& file : files)
    if (cv::haveImageReader(file)) use(cv::imread(file));
}

int main(int argc, char** argv) try {
  double x, y, w, h;
  if (argc != 4 ||
      std::sscanf(argv[3], "%lf,%lf,%lf,%lf", &x, &y, &w, &h) != 4 || w <= 0 ||
      h <= 0)
    throw std::runtime_error("usage: track EXPORTED SOURCE X,Y,W,H");
  Tracker tracker(argv[1]);
  int number = 0;
  std::puts("frame,target,x,y,w,h,score,lost");
  read(argv[2], [&](cv::Mat frame) {
    if (number)
      tracker.update(frame);
    else
      tracker.init(frame, {x, y, x + w, y + h});
    const Box& b = tracker.box;
    std::printf("%d,1,%.4f,%.4f,%.4f,%.4f,%.4f,%d\n", number++, b.x1, b.y1,
                b.x2 - b.x1, b.y2 - b.y1, tracker.score, tracker.missed > 0);
  });
  if (!number) throw std::runtime_error("no frame in " + std::string(argv[2]));
} catch (const std::exception& error) {
  std::cerr << "track: " << error.what() << "\n";
  return 2;
}
