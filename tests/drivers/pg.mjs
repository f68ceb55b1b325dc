// Logs in with pg at the URL given, and says what the server tells of the session.
import pg from "pg";

const client = new pg.Client(process.argv[2]);
try {
	await client.connect();
	const { rows } = await client.query("SELECT version, current_setting('server_version_num') AS server FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
	console.log(`${rows[0].version} ${rows[0].server}`);
	await client.end();
} catch (error) {
	console.error(error.message);
	process.exit(1);
}
