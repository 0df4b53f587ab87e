package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/signalbox-io/signalbox/internal/auth"
	"github.com/signalbox-io/signalbox/internal/keyring"
	"github.com/signalbox-io/signalbox/internal/postgres"
)

var errNoDatabase = errors.New("set DATABASE_URL to the Postgres to use, postgres://…")

func migrate(ctx context.Context, s *settings, _ []string, stdout io.Writer) error {
	if s.databaseURL == "" {
		return errNoDatabase
	}
	if err := postgres.Migrate(ctx, s.databaseURL); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "the database is up to date")
	return nil
}

func staff(ctx context.Context, s *settings, args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: control staff EMAIL")
	}
	if s.databaseURL == "" {
		return errNoDatabase
	}
	pool, err := postgres.Open(ctx, s.databaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := auth.New(pool, nil).MakeStaff(ctx, args[0]); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s is staff now\n", args[0])
	return nil
}

func masterKey(_ context.Context, _ *settings, _ []string, stdout io.Writer) error {
	key, err := keyring.GenerateMaster()
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, string(key))
	return nil
}
