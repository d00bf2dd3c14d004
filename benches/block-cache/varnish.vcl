vcl 4.1;
# Whole objects in memory, readable while they arrive. @NAMES@ are filled in by peers.py.
backend origin {
    .host = "127.0.0.1";
    .port = "@ORIGIN@";
}
sub vcl_recv {
    set req.url = "/@BUCKET@" + req.url;
}
sub vcl_backend_response {
    set beresp.do_stream = true;
    set beresp.ttl = 1d;
}
