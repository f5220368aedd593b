package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// handlerTransport is an http.RoundTripper that calls a handler in this
// process. Answers stream: a body is read while the handler still writes it.
type handlerTransport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper. Closing the body cancels the request
// and returns when the handler is done.
func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	switch {
	case in.Body == nil:
		in.Body = http.NoBody
	case in.ContentLength == 0 && in.Body != http.NoBody:
		in.ContentLength = -1 // servers say it so: unknown
	}
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	read, write := io.Pipe()
	w := &handlerWriter{header: http.Header{}, body: write, started: make(chan struct{})}
	resp := &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Request: r, Trailer: http.Header{}, ContentLength: -1,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer in.Body.Close()
		w.serve(t.handler, in, resp.Trailer)
	}()
	select {
	case <-w.started:
	case <-ctx.Done():
		_ = read.CloseWithError(ctx.Err()) // frees a handler that writes
		cancel()
		return nil, r.Context().Err()
	}
	resp.StatusCode, resp.Status, resp.Header = w.status, http.StatusText(w.status), w.sent
	resp.Body = &handlerBody{PipeReader: read, cancel: cancel, done: done}
	return resp, nil
}

type handlerBody struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
}

func (b *handlerBody) Close() error {
	b.cancel()
	_ = b.PipeReader.Close() // always nil
	<-b.done
	return nil
}

// handlerWriter is the http.ResponseWriter of handlerTransport.
type handlerWriter struct {
	header, sent http.Header
	status       int
	body         *io.PipeWriter
	once         sync.Once
	started      chan struct{} // closed when status and sent are set
}

func (w *handlerWriter) serve(h http.Handler, r *http.Request, trailer http.Header) {
	defer func() {
		p := recover()
		w.WriteHeader(http.StatusOK)
		if p != nil { // net/http cuts the connection then
			_ = w.body.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		for _, key := range w.sent.Values("Trailer") {
			copyTrailer(trailer, w.header, key)
		}
		_ = w.body.Close() // always nil
	}()
	h.ServeHTTP(w, r)
}

// Header implements http.ResponseWriter.
func (w *handlerWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *handlerWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.started)
	})
}

// Write implements http.ResponseWriter.
func (w *handlerWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	n, err := w.body.Write(b)
	if err != nil {
		return n, fmt.Errorf("the reader is gone: %w", err)
	}
	return n, nil
}

// Flush implements http.Flusher: every write is delivered at once.
func (w *handlerWriter) Flush() { w.WriteHeader(http.StatusOK) }

// SetReadDeadline and SetWriteDeadline accept what handlers ask for: within a
// process there is no slow network.
func (w *handlerWriter) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline: see SetReadDeadline.
func (w *handlerWriter) SetWriteDeadline(time.Time) error { return nil }

// copyTrailer moves the trailers that a handler announced ("A, B") and set.
func copyTrailer(to, from http.Header, announced string) {
	for key := range strings.SplitSeq(announced, ",") {
		key = http.CanonicalHeaderKey(strings.TrimSpace(key))
		if v := from[key]; v != nil {
			to[key] = v
		}
	}
}
