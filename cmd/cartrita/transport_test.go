package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func call(ctx context.Context, t *testing.T, h http.HandlerFunc, body io.Reader) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/x?y=1", body)
	if err != nil {
		t.Fatal(err)
	}
	return handlerTransport{h}.RoundTrip(req)
}

// A body is read while the handler still writes, and trailers follow it.
func TestHandlerTransportStreams(t *testing.T) {
	next := make(chan struct{})
	resp, err := call(t.Context(), t, func(w http.ResponseWriter, r *http.Request) {
		in, _ := io.ReadAll(r.Body)
		if r.Host != "localhost" || r.RequestURI != "/x?y=1" || string(in) != "question" || r.ContentLength != 8 {
			t.Errorf("host %q, uri %q, body %q, length %d", r.Host, r.RequestURI, in, r.ContentLength)
		}
		w.Header().Set("Trailer", "X-Cost, X-Other")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "1") // after the header left: not seen
		_, _ = w.Write([]byte("one "))
		_ = http.NewResponseController(w).Flush()
		<-next
		_, _ = w.Write([]byte("two"))
		w.Header().Set("X-Cost", "3")
	}, strings.NewReader("question"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 16)
	n, err := resp.Body.Read(buf)
	if err != nil || string(buf[:n]) != "one " || resp.StatusCode != http.StatusTeapot || resp.Header.Get("X-Late") != "" {
		t.Fatalf("%q, %v, %d, %v", buf[:n], err, resp.StatusCode, resp.Header)
	}
	close(next)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || string(rest) != "two" || resp.Trailer.Get("X-Cost") != "3" {
		t.Errorf("%q, %v, trailer %v", rest, err, resp.Trailer)
	}
}

func TestHandlerTransportUnknownLength(t *testing.T) {
	resp, err := call(t.Context(), t, func(_ http.ResponseWriter, r *http.Request) {
		if r.ContentLength != -1 {
			t.Errorf("length %d, want -1: unknown", r.ContentLength)
		}
	}, io.MultiReader(strings.NewReader("x")))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	resp.Body.Close()
}

// Closing the body ends a handler that would go on for ever.
func TestHandlerTransportClose(t *testing.T) {
	ended := make(chan struct{})
	resp, err := call(t.Context(), t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for {
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-ended
}

// A caller that gives up before an answer gets its own error.
func TestHandlerTransportCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := call(ctx, t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestHandlerTransportPanic(t *testing.T) {
	resp, err := call(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		panic(http.ErrAbortHandler)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want an unexpected end", err)
	}
}
