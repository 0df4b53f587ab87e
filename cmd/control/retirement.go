package main

import (
	"context"
	"slices"
	"strings"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/feed"
	"github.com/signalbox-io/signalbox/internal/httpapi"
	"github.com/signalbox-io/signalbox/internal/resolver"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// streams asks the account's brokers what they store of it. Of a stream with
// copies, each cluster's leader says how much it is.
func (d *delivery) streams(ctx context.Context, account tenants.Account) (httpapi.Streams, error) {
	brokers, err := d.domain.CountBrokers(ctx, account.OperatorID)
	if err != nil {
		return httpapi.Streams{}, err
	}
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	lists, err := d.hub.Streams(asking, string(account.OperatorID), string(account.PublicKey), brokers)
	if err != nil {
		return httpapi.Streams{}, err
	}
	found := httpapi.Streams{Asked: brokers, Answered: len(lists)}
	at := map[[2]string]int{} // index in found.Items, by cluster and name
	for _, list := range lists {
		for _, s := range list.Streams {
			key := [2]string{list.Cluster, s.Name}
			if list.Cluster == "" {
				key[0] = "alone " + list.Broker
			}
			i, known := at[key]
			if !known {
				i = len(found.Items)
				at[key] = i
				found.Items = append(found.Items, httpapi.Stream{Name: s.Name, Storage: s.Storage})
			}
			item := &found.Items[i]
			item.Brokers = append(item.Brokers, list.Broker)
			if s.Leader || !known {
				item.Messages, item.Bytes, item.Consumers = s.Messages, s.Bytes, s.Consumers
			}
		}
	}
	for _, item := range found.Items {
		slices.Sort(item.Brokers)
	}
	slices.SortFunc(found.Items, func(a, b httpapi.Stream) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// disk keeps what a broker says of deleted accounts on its disk.
func (d *delivery) disk(ctx context.Context, operatorID string, r resolver.DiskReport) ([]string, error) {
	report := tenants.DiskReport{Broker: claims.UserKey(r.Broker), Verified: feed.Revision(r.Verified)}
	for _, f := range r.Found {
		report.Found = append(report.Found, tenants.DiskFind{Account: claims.AccountKey(f.Account), Gone: f.Gone, Bytes: f.Bytes, Error: f.Error})
	}
	keys, err := d.domain.RecordDisk(ctx, tenants.OperatorID(operatorID), report)
	deleted := make([]string, 0, len(keys))
	for _, key := range keys {
		deleted = append(deleted, string(key))
	}
	return deleted, err
}
