package cluster

import (
	"slices"
	"sync"
)

// subscribers are who listens on a bus, by topic.
type subscribers struct {
	mu      sync.RWMutex
	byTopic map[string][]*subscriber
}

type subscriber struct {
	mu sync.Mutex // held while f runs
	f  func([]byte)
}

func (s *subscribers) add(topic string, f func([]byte)) (cancel func()) {
	n := &subscriber{f: f}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byTopic == nil {
		s.byTopic = map[string][]*subscriber{}
	}
	// A new slice each time: those that are being called stay as they are.
	s.byTopic[topic] = append(slices.Clone(s.byTopic[topic]), n)
	return func() { s.remove(topic, n) }
}

func (s *subscribers) remove(topic string, n *subscriber) {
	s.mu.Lock()
	s.byTopic[topic] = slices.DeleteFunc(slices.Clone(s.byTopic[topic]), func(o *subscriber) bool { return o == n })
	s.mu.Unlock()
	n.mu.Lock()
	n.f = nil
	n.mu.Unlock()
}

func (s *subscribers) deliver(topic string, data []byte) {
	s.mu.RLock()
	all := s.byTopic[topic]
	s.mu.RUnlock()
	for _, n := range all {
		n.call(data)
	}
}

// lost tells everybody that messages may have been lost.
func (s *subscribers) lost() {
	s.mu.RLock()
	var all []*subscriber
	for _, some := range s.byTopic {
		all = append(all, some...)
	}
	s.mu.RUnlock()
	for _, n := range all {
		n.call(nil)
	}
}

func (n *subscriber) call(data []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.f != nil {
		n.f(data)
	}
}
