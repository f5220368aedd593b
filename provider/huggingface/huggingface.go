// Package huggingface carries calls to Hugging Face's Inference Providers: to
// the router, which speaks OpenAI's shape for chat, and to the task endpoints,
// which have shapes of their own.
//
// # Where calls go
//
// The base URL says what an endpoint is.
//
//	https://router.huggingface.co/v1            chat at /chat/completions; the upstream name may
//	                                            end in ":provider" or ":fastest", ":cheapest";
//	                                            embeddings at the task endpoints of hf-inference
//	https://router.huggingface.co/hf-inference  task endpoints, /models/NAME/pipeline/TASK;
//	                                            other chat at /models/NAME/v1/chat/completions
//	anything else                               a dedicated endpoint: tasks are sent to the URL itself,
//	                                            other chat to /v1/chat/completions
//
// # Tasks
//
// Calls of the embeddings surface become feature-extraction. On a base URL with
// task endpoints, calls of the chat surface with one of these task types become
//
//	classification  text-classification: the answer is a JSON array of {label, score}
//	summarization   summarization
//	translation     translation
//
// with the text of the last user message as input, and the body's own member
// "parameters", if it has one, as the pipeline's parameters; other messages and
// options have no place there and are left out. A task called for a stream
// gives its answer as a stream of one piece. Task endpoints report no usage.
//
// Embeddings are given as numbers or as base64, as asked. A model that gives a
// vector per token instead of one per text is refused as Upstream, dimensions
// and token arrays as Invalid: the task has no such thing.
//
// A Client is safe for concurrent use.
package huggingface

import (
	"context"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/openai"
	"github.com/cartrita/cartrita/provider/upstream"
)

const op = "huggingface.Do"

// DefaultBaseURL is the router.
const DefaultBaseURL = "https://router.huggingface.co/v1"

// Config is the configuration of one provider.
type Config struct {
	upstream.Config
	// Clock dates the answers of tasks. Default time.Now.
	Clock func() time.Time
}

// Client implements provider.Client.
type Client struct {
	chat  *openai.Client
	tasks *upstream.Sender
	clock func() time.Time
}

var _ provider.Client = (*Client)(nil)

// New returns a client. It makes no connection.
func New(cfg Config) (*Client, error) {
	chat, err := openai.New(openai.Config{Config: cfg.Config})
	if err != nil {
		return nil, err
	}
	tasks, err := upstream.New(op, cfg.Config, upstream.BearerAuth)
	if err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Client{chat: chat, tasks: tasks, clock: cfg.Clock}, nil
}

// Close closes connections that are not in use.
func (c *Client) Close() error {
	_ = c.chat.Close()
	return c.tasks.Close()
}

const (
	routerSuffix = "/v1"
	tasksSuffix  = "/hf-inference"
)

// pipelines are the tasks that calls of the chat surface may become.
var pipelines = map[model.Task]string{
	model.TaskClassification: "text-classification",
	model.TaskSummarization:  "summarization",
	model.TaskTranslation:    "translation",
}

// Do implements provider.Client.
func (c *Client) Do(ctx context.Context, ep *model.Endpoint, call *model.Call) (*provider.Response, error) {
	router := strings.HasSuffix(ep.BaseURL, routerSuffix)
	if call.Surface == model.SurfaceEmbeddings {
		return c.embed(ctx, ep, call)
	}
	if pipeline := pipelines[call.Task]; pipeline != "" && !router && call.Surface == model.SurfaceChat {
		return c.task(ctx, ep, call, pipeline)
	}
	if router {
		return c.chat.Do(ctx, ep, call)
	}
	to := *ep
	if strings.HasSuffix(ep.BaseURL, tasksSuffix) {
		to.BaseURL += "/models/" + ep.Upstream
	}
	to.BaseURL += routerSuffix
	return c.chat.Do(ctx, &to, call)
}

// post sends a task to its endpoint.
func (c *Client) post(ctx context.Context, ep *model.Endpoint, pipeline string, build func([]byte) []byte) (*upstream.Reply, error) {
	name, host, _ := strings.Cut(ep.Upstream, ":")
	if host != "" && host != "hf-inference" {
		return nil, model.Errorf(op, model.KindUpstream, "the task %s is available from hf-inference only, not from %s", pipeline, host)
	}
	to, path := *ep, ""
	if base, ok := strings.CutSuffix(ep.BaseURL, routerSuffix); ok {
		to.BaseURL = base + tasksSuffix
	}
	if strings.HasSuffix(to.BaseURL, tasksSuffix) {
		path = "/models/" + name + "/pipeline/" + pipeline
	}
	return c.tasks.Post(ctx, &to, path, build(nil), false)
}
