"""Takes OTLP over HTTP and decodes it with the messages that OpenTelemetry publishes for Python.

Prints its port, then, once it has had spans and metrics, what it had as one JSON object, and ends.
"""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

had = {"spans": [], "metrics": {}}


def text(attributes):
    return {pair.key: pair.value.string_value for pair in attributes}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for span in resource.scope_spans[0].spans:
                    had["spans"].append({"name": span.name, "trace": span.trace_id.hex(), **text(span.attributes)})
        elif self.path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for metric in resource.scope_metrics[0].metrics:
                    points = metric.exponential_histogram.data_points or metric.sum.data_points
                    had["metrics"][metric.name] = sum(getattr(point, "count", 0) for point in points)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
while not (had["spans"] and had["metrics"].get("juxta.transaction.response")):
    server.handle_request()
print(json.dumps(had), flush=True)
