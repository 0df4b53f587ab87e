package postgres

// What tests need to go down as well, and to stand in Migrate's way.
var MigrateTo = migrateTo

const MigrationLock = int64(migrationLock)
