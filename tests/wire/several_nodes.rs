//! Several processes of one program at one store, under load, while one after the other is killed or restarted.

mod several_nodes {
    mod cluster;
    mod killed;
    mod rolling;
}
