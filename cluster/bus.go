package cluster

// Bus carries short messages between replicas. Implementations are safe for
// concurrent use.
type Bus interface {
	// Publish sends data to the other replicas, if it can: it never waits for the
	// network, and a message may be lost or come twice. Data is UTF-8 without zero
	// bytes, at most MaxMessage bytes; a topic has no spaces.
	Publish(topic string, data []byte)
	// Subscribe has f called for each message on the topic from other replicas,
	// one at a time, and with nil whenever messages may have been lost: f then
	// reads the truth anew. f returns quickly, keeps no data and does not cancel.
	// It is called no more once cancel has returned.
	Subscribe(topic string, f func(data []byte)) (cancel func())
}

// MaxMessage is the longest message: what a PostgreSQL notification carries,
// less the topic and the sender.
const MaxMessage = 7000

// The topics: that something changed in the store, and which endpoints a replica
// found broken.
const (
	TopicHealth = "health"
	TopicLoad   = "load"
	TopicModels = "models"
	TopicKeys   = "keys"
	TopicConfig = "config"
	TopicAlerts = "alerts"
	// TopicBudgets says that budgets changed, or that a gateway lacks a part of one.
	TopicBudgets = "budgets"
)

// Alone is the Bus of a replica that has no others.
type Alone struct{}

// Publish implements Bus.
func (Alone) Publish(string, []byte) {}

// Subscribe implements Bus.
func (Alone) Subscribe(string, func([]byte)) (cancel func()) { return func() {} }
